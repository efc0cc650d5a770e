"""How the values of a sweep's trials are found, one a file."""
