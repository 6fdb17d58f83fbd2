"""Trains the micro zoo from nothing: `python -m t2ipal.micro.zoo`."""
