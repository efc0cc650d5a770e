"""Image files to arrays of pixels. It imports nothing heavier than NumPy and Pillow, for processes that start fast."""
