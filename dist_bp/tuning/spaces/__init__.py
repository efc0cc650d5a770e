"""The spaces of a sweep, in the words of Ray Tune, one a file."""
