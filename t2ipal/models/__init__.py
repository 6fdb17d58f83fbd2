"""The learnable part: prompts (eq. 1), similarities (eqs. 2-4), adapter (eqs. 5 and 6), loss (eq. 7)."""
