"""Distributed training by backpropagation: NumPy networks, a parameter server on Ray, runs in MLflow."""
