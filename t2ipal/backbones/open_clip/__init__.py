"""CLIP of the package open_clip: an architecture and its weights, as "ViT-B-16-quickgelu/openai"."""
