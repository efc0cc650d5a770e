"""The networks that every contender trains, and the arrays that all of them read."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from dist_bp.data.shards import epoch_order
from dist_bp.types import Array

SAMPLES = 8192
EPOCHS = 8
SEED = 7
MOMENTUM = 0.9
RATES = {"momentum": 0.01, "adam": 1e-4}
DATA = "data.npz"
START = "start.npz"


@dataclass(frozen=True)
class Work:
    """A dense network with rectifiers, trained on random samples; `batch` is the global batch."""

    key: str
    sizes: tuple[int, ...]
    batch: int
    optimizer: Literal["momentum", "adam"] = "momentum"

    @property
    def title(self) -> str:
        adam = ", Adam" if self.optimizer == "adam" else ""
        return f"{'-'.join(map(str, self.sizes))} ({self.batch}){adam}"

    @property
    def rate(self) -> float:
        return RATES[self.optimizer]

    @property
    def parameters(self) -> int:
        return sum((inputs + 1) * outputs for inputs, outputs in pairwise(self.sizes))


WORKS = {
    work.key: work
    for work in (
        Work("small", (64, 64, 10), 64),
        Work("medium", (784, 512, 512, 10), 256),
        Work("large", (784, 1024, 1024, 10), 512),
        Work("large-adam", (784, 1024, 1024, 10), 512, "adam"),
    )
}


@dataclass(frozen=True)
class Inputs:
    """What a contender reads: samples x (n, inputs) and classes y (n,), the rows (steps, batch) of the global
    batches of the first epochs, and the initial weight (inputs, outputs) and bias (outputs,) of each layer."""

    x: Array
    y: Array
    order: Array
    layers: list[tuple[Array, Array]]

    def rows(self, step: int, rank: int = 0, size: int = 1) -> Array:
        """The share of process `rank` of `size` of the global batch of a step; the epochs begin anew after the last."""
        batch = self.order[step % len(self.order)]
        rows = len(batch) // size
        return batch[rank * rows : (rank + 1) * rows]


def write_inputs(work: Work, folder: Path, samples: int = SAMPLES) -> None:
    """Draws the arrays of a work: normal samples with random classes, He's normal weights."""
    generator = np.random.default_rng(SEED)
    np.savez(
        folder / DATA,
        x=generator.normal(size=(samples, work.sizes[0])).astype(np.float32),
        y=generator.integers(0, work.sizes[-1], samples),
    )
    arrays: dict[str, Array] = {}
    for layer, (inputs, outputs) in enumerate(pairwise(work.sizes)):
        weight = generator.normal(0.0, np.sqrt(2 / inputs), (inputs, outputs))
        arrays[f"weight{layer}"] = weight.astype(np.float32)
        arrays[f"bias{layer}"] = np.zeros(outputs, np.float32)
    whole = samples // work.batch * work.batch
    epochs = [epoch_order(samples, SEED, epoch)[:whole] for epoch in range(EPOCHS)]
    np.savez(folder / START, order=np.concatenate(epochs).reshape(-1, work.batch), **arrays)


def read_inputs(work: Work, folder: Path) -> Inputs:
    with np.load(folder / DATA) as data, np.load(folder / START) as start:
        layers = [(start[f"weight{layer}"], start[f"bias{layer}"]) for layer in range(len(work.sizes) - 1)]
        return Inputs(data["x"], data["y"], start["order"], layers)
