"""Photos of the user's own: a recogniser in one file, its predictions, and a page of them."""
