"""The machinery around the workflow's jobs: what Snakemake leaves to be done.

It decides no artifact, so that its edits rerun nothing.
"""
