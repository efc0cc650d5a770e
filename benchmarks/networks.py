"""The image networks that contenders train, as dist_bp's configuration has them, and how their parameters begin."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from dist_bp.types import Array

Layers = Sequence[dict[str, Any]]
RELU = {"type": "activation", "function": "relu"}
NORM = {"type": "batch_norm"}


def conv(filters: int, kernel: int = 3, stride: int = 1, **options: Any) -> dict[str, Any]:
    """Padded on both sides alike, as PyTorch's are."""
    return {"type": "conv2d", "filters": filters, "kernel": kernel, "stride": stride, "padding": kernel // 2, **options}


def block(filters: int, stride: int) -> list[dict[str, Any]]:
    """A residual block (He et al. 2016) with a projection where it changes the shape."""
    plain = {"bias": False}
    branch = [conv(filters, 3, stride, **plain), NORM, RELU, conv(filters, **plain), NORM]
    shortcut = [conv(filters, 1, stride, **plain), NORM] if stride > 1 else []
    return [{"type": "residual", "layers": branch, "shortcut": shortcut}, RELU]


@dataclass(frozen=True)
class ImageNetwork:
    """Layers for images of `shape` (rows, columns, channels)."""

    title: str
    shape: tuple[int, int, int]
    layers: Layers

    def draw(self, generator: np.random.Generator) -> list[Array]:
        """New parameters in the order of the layers: He's normal weights, biases and offsets 0, gains 1."""
        return [array.astype(np.float32) for array in _drawn(self.layers, self.shape, generator)]


CNN = ImageNetwork(
    "28x28, 2 conv, 2 dense",
    (28, 28, 1),
    [
        conv(32, activation="relu"),
        {"type": "max_pool"},
        conv(64, activation="relu"),
        {"type": "max_pool"},
        {"type": "flatten"},
        {"type": "dense", "units": 128, "activation": "relu"},
        {"type": "dense", "units": 10},
    ],
)
RESNET = ImageNetwork(
    "32x32, ResNet-8",
    (32, 32, 3),
    [
        conv(16, bias=False),
        NORM,
        RELU,
        *block(16, 1),
        *block(32, 2),
        *block(64, 2),
        {"type": "global_average_pool"},
        {"type": "dense", "units": 10},
    ],
)


def _drawn(layers: Layers, shape: tuple[int, ...], generator: np.random.Generator) -> Iterator[Array]:
    for layer in layers:
        if layer["type"] == "residual":
            yield from _drawn(layer["layers"], shape, generator)
            yield from _drawn(layer["shortcut"], shape, generator)
        weight = _weight(layer, shape[-1])
        if weight:
            yield generator.normal(0.0, np.sqrt(2 / prod(weight[:-1])), weight)
            if layer.get("bias", True):
                yield np.zeros(weight[-1])
        if layer["type"] == "batch_norm":
            yield np.ones(shape[-1])
            yield np.zeros(shape[-1])
        shape = _output(layer, shape)


def _weight(layer: dict[str, Any], inputs: int) -> tuple[int, ...]:
    if layer["type"] == "conv2d":
        return layer["kernel"], layer["kernel"], inputs, layer["filters"]
    return (inputs, layer["units"]) if layer["type"] == "dense" else ()


def _output(layer: dict[str, Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    match layer["type"]:
        case "conv2d":
            rows, columns, _ = shape
            return -(-rows // layer["stride"]), -(-columns // layer["stride"]), layer["filters"]
        case "residual":
            for inner in layer["layers"]:
                shape = _output(inner, shape)
            return shape
        case "max_pool":
            rows, columns, channels = shape
            return rows // 2, columns // 2, channels
        case "flatten":
            return (prod(shape),)
        case "global_average_pool":
            return shape[-1:]
        case "dense":
            return (layer["units"],)
    return shape
