"""CLIP and SigLIP as Hugging Face's transformers saves them: a folder, or a name on the hub."""
