"""Are generated images good training data? What another CLIP says of them, next to real images."""
