"""Which trials of a sweep are given up early, one a file."""
