"""A work's network as PyTorch's modules, with the work's initial parameters."""

from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch import nn

from benchmarks.contenders.torch_texts import text_network
from benchmarks.networks import Layers
from benchmarks.works import Array, Inputs, Work

M = TypeVar("M", bound=nn.Module)


def network(work: Work, inputs: Inputs) -> nn.Module:
    if work.texts:
        return text_network(work, inputs)
    channels = work.shape[-1]
    return _Builder(iter(inputs.arrays)).stack(work.layers, channels)[0]


class Residual(nn.Module):
    def __init__(self, layers: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) + self.shortcut(x)  # type: ignore[no-any-return]


class _Builder:
    """Takes the parameters in the order of the layers; `channels` are those of a layer's input."""

    def __init__(self, arrays: Iterator[Array]) -> None:
        self._arrays = arrays
        self._flat = 0
        """The channels of what was flattened: there ours are the last axis, and PyTorch's the first."""

    def stack(self, layers: Layers, channels: int) -> tuple[nn.Sequential, int]:
        modules: list[nn.Module] = []
        for layer in layers:
            module, channels = self._module(layer, channels)
            modules.append(module)
            if layer.get("activation"):
                modules.append(nn.ReLU())
        return nn.Sequential(*modules), channels

    def _module(self, layer: dict[str, Any], channels: int) -> tuple[nn.Module, int]:
        match layer["type"]:
            case "dense":
                return self._dense(channels, layer["units"]), layer["units"]
            case "conv2d":
                return self._conv(layer, channels), layer["filters"]
            case "batch_norm":
                return self._filled(nn.BatchNorm2d(channels)), channels
            case "residual":
                branch, outputs = self.stack(layer["layers"], channels)
                return Residual(branch, self.stack(layer["shortcut"], channels)[0]), outputs
            case "flatten":
                self._flat = channels
                return nn.Flatten(), channels
            case "global_average_pool":
                return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels
            case "max_pool":
                return nn.MaxPool2d(2), channels
        return nn.ReLU(), channels

    def _dense(self, channels: int, units: int) -> nn.Linear:
        weight = next(self._arrays)
        if self._flat:
            weight = weight.reshape(-1, self._flat, units).swapaxes(0, 1).reshape(-1, units)
            self._flat = 0
        return self._filled(nn.Linear(*weight.shape), weight.T)

    def _conv(self, layer: dict[str, Any], channels: int) -> nn.Conv2d:
        sizes = (layer["filters"], layer["kernel"], layer["stride"], layer["padding"])
        module = nn.Conv2d(channels, *sizes, bias=layer.get("bias", True))
        return self._filled(module, next(self._arrays).transpose(3, 2, 0, 1))

    def _filled(self, module: M, *first: Array) -> M:
        given = iter(first)
        with torch.no_grad():
            for parameter in module.parameters():
                array = next(given, None)
                parameter.copy_(torch.from_numpy((next(self._arrays) if array is None else array).copy()))
        return module
