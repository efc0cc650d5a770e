"""Layers that change images at random in training and leave them alone otherwise, one a file."""
