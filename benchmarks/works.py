"""The networks that every contender trains, and the arrays that all of them read."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.networks import CNN, RESNET, ImageNetwork, Layers
from dist_bp.data.shards import epoch_order
from dist_bp.types import Array

SAMPLES = 8192
EPOCHS = 8
SEED = 7
MOMENTUM = 0.9
RATES = {"momentum": 0.01, "adam": 1e-4}
IMAGE_RATE = 1e-3
"""At ten times that the loss of the small CNN doubles at first, and with it what rounding has made of it."""
DATA = "data.npz"
START = "start.npz"


@dataclass(frozen=True)
class Work:
    """A network trained on random samples; `batch` is the global batch.

    It is a dense one with rectifiers, from inputs to classes by `sizes`, or one for `images`.
    """

    key: str
    sizes: tuple[int, ...]
    batch: int
    optimizer: Literal["momentum", "adam"] = "momentum"
    images: ImageNetwork | None = None

    @property
    def title(self) -> str:
        adam = ", Adam" if self.optimizer == "adam" else ""
        name = self.images.title if self.images else "-".join(map(str, self.sizes))
        return f"{name} ({self.batch}){adam}"

    @property
    def kind(self) -> Literal["dense", "images"]:
        return "images" if self.images else "dense"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a sample."""
        return self.images.shape if self.images else self.sizes[:1]

    @property
    def layers(self) -> Layers:
        """As dist_bp's configuration has them."""
        if self.images:
            return self.images.layers
        hidden = [{"type": "dense", "units": units, "activation": "relu"} for units in self.sizes[1:-1]]
        return [*hidden, {"type": "dense", "units": self.sizes[-1]}]

    @property
    def rate(self) -> float:
        return IMAGE_RATE if self.images else RATES[self.optimizer]

    @property
    def parameters(self) -> int:
        if self.images:
            return sum(array.size for array in self.draw(np.random.default_rng(SEED)))
        return sum((inputs + 1) * outputs for inputs, outputs in pairwise(self.sizes))

    def draw(self, generator: np.random.Generator) -> list[Array]:
        """Initial parameters in the order of the layers: He's normal weights, biases of 0."""
        if self.images:
            return self.images.draw(generator)
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
    )
}


@dataclass(frozen=True)
class Inputs:
    """What a contender reads: samples x (n, *shape) and classes y (n,), the rows (steps, batch) of the global batches
    of the first epochs, and the initial parameters in the order of the layers."""

    x: Array
    y: Array
    order: Array
    arrays: list[Array]

    @property
    def layers(self) -> list[tuple[Array, Array]]:
        """Weight (inputs, outputs) and bias (outputs,) of each layer of a dense network."""
        return list(zip(self.arrays[::2], self.arrays[1::2], strict=True))

    def rows(self, step: int, rank: int = 0, size: int = 1) -> Array:
        """The share of process `rank` of `size` of the global batch of a step; the epochs begin anew after the last."""
        batch = self.order[step % len(self.order)]
        rows = len(batch) // size
        return batch[rank * rows : (rank + 1) * rows]


def write_inputs(work: Work, folder: Path, samples: int = SAMPLES) -> None:
    """Draws the arrays of a work: normal samples with random classes, and its initial parameters."""
    generator = np.random.default_rng(SEED)
    np.savez(
        folder / DATA,
        x=generator.normal(size=(samples, *work.shape)).astype(np.float32),
        y=generator.integers(0, work.sizes[-1], samples),
    )
    arrays = {f"parameter{number:03}": array for number, array in enumerate(work.draw(generator))}
    whole = samples // work.batch * work.batch
    epochs = [epoch_order(samples, SEED, epoch)[:whole] for epoch in range(EPOCHS)]
    np.savez(folder / START, order=np.concatenate(epochs).reshape(-1, work.batch), **arrays)


def read_inputs(work: Work, folder: Path) -> Inputs:
    with np.load(folder / DATA) as data, np.load(folder / START) as start:
        return Inputs(data["x"], data["y"], start["order"], [start[name] for name in sorted(start) if name != "order"])
