"""What a config asks for: runs, the tables and figures that they fill, and the answers that rules need of both.

`make.make_plan` is where to begin; `runs`, `tables`, `queries` and `priority` are pure functions of config and plan.
Nothing is imported here: the scripts of tables and figures need `specs` alone, and what a script imports decides when
it runs again.
"""
