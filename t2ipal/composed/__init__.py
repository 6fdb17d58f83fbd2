"""Captions without a corpus: composed from class names, or written by a language model, and then checked."""
