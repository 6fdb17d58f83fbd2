"""Captions to images: loading a text-to-image pipeline, generating with it, checking the images."""
