"""The micro world: drawn scenes, their captions, and the small models trained on them."""
