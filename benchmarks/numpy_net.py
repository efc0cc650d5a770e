"""A dense network in plain NumPy, as one writes it for an example."""

from collections.abc import Sequence

import numpy as np

from benchmarks.works import Array

Layers = Sequence[tuple[Array, Array]]


def loss_and_gradients(layers: Layers, x: Array, y: Array) -> tuple[float, list[Array]]:
    """Mean cross-entropy of a batch and its gradients, weight and bias of each layer in turn."""
    values = [x]
    for number, (weight, bias) in enumerate(layers):
        output = values[-1] @ weight + bias
        values.append(np.maximum(output, 0) if number < len(layers) - 1 else output)
    logits = values.pop()
    logits = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    sums = exponentials.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = float(np.mean(np.log(sums[:, 0]) - logits[rows, y]))
    delta = exponentials / sums
    delta[rows, y] -= 1
    delta /= len(y)
    gradients: list[Array] = []
    for number in reversed(range(len(layers))):
        value = values[number]
        gradients[:0] = [value.T @ delta, delta.sum(axis=0)]
        if number:
            delta = (delta @ layers[number][0].T) * (value > 0)
    return loss, gradients
