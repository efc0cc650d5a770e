"""Hyperparameter sweeps: many training jobs, each with other values of some settings, run by Ray Tune."""
