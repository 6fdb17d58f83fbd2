"""The micro world: rendered scenes, their captions, and the small models trained on them."""
