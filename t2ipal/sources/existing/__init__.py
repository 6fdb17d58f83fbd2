"""Images of captions that exist already, made by any model or service: one file per kind of source."""
