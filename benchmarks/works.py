"""The networks that every contender trains, and the arrays that all of them read."""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.networks import CNN, RESNET, ImageNetwork, Layers
from benchmarks.text_networks import KIM, LSTM, TRANSFORMER, TextNetwork, padded
from dist_bp.data.shards import epoch_order
from dist_bp.types import Array

SAMPLES = 8192
EPOCHS = 8
SEED = 7
MOMENTUM = 0.9
RATES = {"momentum": 0.01, "adam": 1e-4}
SLOW_RATE = 1e-3
"""Of networks for images and texts: at ten times that the loss of the small CNN doubles at first, and with it what
rounding has made of it."""
DATA = "data.npz"
START = "start.npz"
Servers = int | Literal["auto"]
"""Of a node: so many processes of their own, or as the job has it."""


def servers(text: str) -> Servers:
    """As people say it on a command line. Raises ValueError."""
    return "auto" if text == "auto" else int(text)


@dataclass(frozen=True)
class Work:
    """A network trained on random samples; `batch` is the global batch.

    It is a dense one with rectifiers, from inputs to classes by `sizes`, or one for `images` or `texts`.
    """

    key: str
    sizes: tuple[int, ...]
    batch: int
    optimizer: Literal["momentum", "adam"] = "momentum"
    images: ImageNetwork | None = None
    texts: TextNetwork | None = None

    @property
    def title(self) -> str:
        adam = ", Adam" if self.optimizer == "adam" else ""
        network = self.images or self.texts
        name = network.title if network else "-".join(map(str, self.sizes))
        return f"{name} ({self.batch}){adam}"

    @property
    def kind(self) -> Literal["dense", "images", "texts"]:
        return "images" if self.images else "texts" if self.texts else "dense"

    @property
    def without_dropout(self) -> "Work":
        """The same work without what is random in it."""
        if self.texts is None or all(layer["type"] != "dropout" for layer in self.texts.layers):
            return self
        layers = [layer for layer in self.texts.layers if layer["type"] != "dropout"]
        return replace(self, texts=replace(self.texts, layers=layers))

    @property
    def samples(self) -> int:
        """Whole batches of them."""
        return SAMPLES // self.batch * self.batch

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a sample."""
        return self.images.shape if self.images else self.sizes[:1]

    @property
    def layers(self) -> Layers:
        """As dist_bp's configuration has them."""
        if network := self.images or self.texts:
            return network.layers
        hidden = [{"type": "dense", "units": units, "activation": "relu"} for units in self.sizes[1:-1]]
        return [*hidden, {"type": "dense", "units": self.sizes[-1]}]

    @property
    def rate(self) -> float:
        return RATES[self.optimizer] if self.kind == "dense" else SLOW_RATE

    @property
    def parameters(self) -> int:
        return sum(array.size for array in self.draw(np.random.default_rng(SEED)))

    def draw(self, generator: np.random.Generator) -> list[Array]:
        """Initial parameters in the order of the layers: He's normal weights, biases of 0; those of texts as dist_bp
        begins."""
        if self.images:
            return self.images.draw(generator)
        if self.texts:
            return self.texts.draw(SEED)
        arrays: list[Array] = []
        for inputs, outputs in pairwise(self.sizes):
            weight = generator.normal(0.0, np.sqrt(2 / inputs), (inputs, outputs))
            arrays += [weight.astype(np.float32), np.zeros(outputs, np.float32)]
        return arrays


WORKS = {
    work.key: work
    for work in (
        Work("small", (64, 64, 10), 64),
        Work("medium", (784, 512, 512, 10), 256),
        Work("large", (784, 1024, 1024, 10), 512),
        Work("large-adam", (784, 1024, 1024, 10), 512, "adam"),
        Work("cnn", (28 * 28, 10), 128, images=CNN),
        Work("resnet", (32 * 32 * 3, 10), 128, images=RESNET),
        Work("lstm", (60, 6), 64, texts=LSTM),
        Work("transformer", (128, 65), 16, texts=TRANSFORMER),
        Work("kim", (40, 6), 50, texts=KIM),
    )
}


@dataclass(frozen=True)
class Inputs:
    """What a contender reads: samples x (n, *shape) and classes y (n,), the rows (steps, batch) of the global batches
    of the first epochs, and the initial parameters in the order of the layers.

    Texts are x (n, longest) of `lengths` (n,), and y may have a class for each position.
    """

    x: Array
    y: Array
    order: Array
    arrays: list[Array]
    lengths: Array | None = None

    @property
    def layers(self) -> list[tuple[Array, Array]]:
        """Weight (inputs, outputs) and bias (outputs,) of each layer of a dense network."""
        return list(zip(self.arrays[::2], self.arrays[1::2], strict=True))

    def rows(self, step: int, rank: int = 0, size: int = 1) -> Array:
        """The share of process `rank` of `size` of the global batch of a step; the epochs begin anew after the last."""
        batch = self.order[step % len(self.order)]
        rows = len(batch) // size
        return batch[rank * rows : (rank + 1) * rows]


def write_inputs(work: Work, folder: Path, samples: int | None = None) -> None:
    """Draws the arrays of a work: normal samples, or texts, with random classes, and its initial parameters."""
    samples = samples or work.samples
    generator = np.random.default_rng(SEED)
    np.savez(folder / DATA, **_drawn_data(work, generator, samples))
    arrays = {f"parameter{number:03}": array for number, array in enumerate(work.draw(generator))}
    epochs = [epoch_order(samples, SEED, epoch)[: samples // work.batch * work.batch] for epoch in range(EPOCHS)]
    np.savez(folder / START, order=np.concatenate(epochs).reshape(-1, work.batch), **arrays)


def _drawn_data(work: Work, generator: np.random.Generator, samples: int) -> dict[str, Array]:
    if work.texts:
        return work.texts.texts(generator, samples)
    return {
        "x": generator.normal(size=(samples, *work.shape)).astype(np.float32),
        "y": generator.integers(0, work.sizes[-1], samples),
    }


def read_inputs(work: Work, folder: Path) -> Inputs:
    with np.load(folder / DATA) as data, np.load(folder / START) as start:
        x, y, lengths = data["x"], data["y"], data.get("x_lengths")
        if lengths is not None:
            x = padded(x, lengths)
            y = padded(y, lengths) if "y_lengths" in data else y
        arrays = [start[name] for name in sorted(start) if name != "order"]
        return Inputs(x, y, start["order"], arrays, lengths)
