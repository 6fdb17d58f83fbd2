"""Captions to images: loading a text-to-image pipeline, drawing with it, checking what it drew."""
