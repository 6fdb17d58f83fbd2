"""The micro world as a source: captions of its grammar, and scenes with true labels."""
