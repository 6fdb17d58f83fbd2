"""What is measured of scores: metrics, intervals, late fusion, and the files of scores and of records."""
