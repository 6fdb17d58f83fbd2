"""Captions to learn from and labelled images, from wherever they come: one file per source.

A source is its block of the config and all that is asked of it (`base`): which files it needs, what it lists, how it
reads, what is checked before a run, how much it holds as far as that is published. `registry` lists the sources.
"""
