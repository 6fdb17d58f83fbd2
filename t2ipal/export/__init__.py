"""Results that one can hand on, in the formats of others."""
