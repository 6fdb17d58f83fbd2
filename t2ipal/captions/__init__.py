"""Captions: reading them, and finding the classes that they name."""
