"""Measurements of dist_bp beside its bounds and its peers; README.md says what each of them does."""
