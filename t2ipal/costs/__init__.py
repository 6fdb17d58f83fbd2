"""What a config will cost, before anything runs: jobs, GPU-hours, disk and time, from the costs of single items.

No data, no model and no torch: counts come from the config, from published sizes of data sets, and from results that
are there already; the costs of an item from resources/unit_costs.yaml, each with its hardware, source and date.
"""
