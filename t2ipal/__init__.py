"""T2I-PAL: text to image for multi-label image recognition with joint prompt-adapter learning."""
