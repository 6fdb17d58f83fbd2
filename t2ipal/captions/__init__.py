"""Finding the classes that captions name."""
