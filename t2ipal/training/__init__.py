"""From cached features to a trained run: what is known of labels, batches, the loop, the search for settings."""
