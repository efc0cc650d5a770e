"""Many files of images or sounds to arrays, by processes. It imports nothing heavier than NumPy, to start fast."""
