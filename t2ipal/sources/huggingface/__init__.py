"""Data sets that the package `datasets` reads, from a folder or the Hugging Face hub: captions, labelled images."""
