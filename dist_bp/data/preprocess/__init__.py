"""Preprocessing: what is learnt from the training split and saved with the model, one a file."""
