"""Sound files to arrays of samples or of features. It imports nothing heavier than NumPy, SciPy and soundfile."""
