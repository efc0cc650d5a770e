"""The networks for texts that contenders train, and random texts for them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import TypeAdapter

from benchmarks.networks import Layers
from dist_bp.components import LAYERS
from dist_bp.config.component import Of, construct
from dist_bp.nn import Model
from dist_bp.signals import Field
from dist_bp.types import Array


@dataclass(frozen=True)
class TextNetwork:
    """Layers for texts of `lengths` tokens, the least and the most, of a `vocabulary` in which the frequency of a token
    is inverse to its rank. Targets are `classes`: of a text, or of each of its positions."""

    title: str
    vocabulary: int
    lengths: tuple[int, int]
    classes: int
    layers: Layers
    by_position: bool = False

    @cached_property
    def model(self) -> Model:
        sections = TypeAdapter(list[Annotated[Any, Of(LAYERS)]]).validate_python(list(self.layers))
        field = Field((), "int", ragged=True, count=self.vocabulary, longest=self.lengths[1])
        return Model([construct(section) for section in sections], field)

    def draw(self, seed: int) -> list[Array]:
        """New parameters in the order of the layers, as dist_bp begins."""
        return [view.copy() for view in self.model.layout.named(self.model.initialize(seed)[0]).values()]

    def texts(self, generator: np.random.Generator, count: int) -> dict[str, Array]:
        """The tokens x of texts one behind the other, the lengths of these, and targets y, as dist_bp reads them."""
        least, most = self.lengths
        lengths = generator.integers(least, most + 1, count)
        frequencies = 1.0 / np.arange(1, self.vocabulary + 1)
        total = int(lengths.sum())
        arrays = {
            "x": generator.choice(self.vocabulary, total, p=frequencies / frequencies.sum()),
            "x_lengths": lengths,
            "y": generator.integers(0, self.classes, total if self.by_position else count),
        }
        return arrays | ({"y_lengths": lengths} if self.by_position else {})


def padded(values: Array, lengths: Array) -> Array:
    """(n, longest): texts that lay one behind the other, zeros beyond the lengths (n,)."""
    inside = np.arange(lengths.max()) < lengths[:, np.newaxis]
    rows = np.zeros(inside.shape, values.dtype)
    rows[inside] = values
    return rows


LSTM = TextNetwork(
    "10-60 words, LSTM of 128",
    8000,
    (10, 60),
    6,
    [
        {"type": "embedding", "size": 64},
        {"type": "lstm", "units": 128, "states": "last"},
        {"type": "dense", "units": 6},
    ],
)
TRANSFORMER = TextNetwork(
    "128 characters, 4 transformer blocks of 128",
    65,
    (128, 128),
    65,
    [
        {"type": "embedding", "size": 128},
        {"type": "positions", "form": "learned", "longest": 128},
        {"type": "repeat", "times": 4, "layers": [{"type": "transformer_block", "heads": 4, "causal": True}]},
        {"type": "layer_norm"},
        {"type": "tied_output"},
    ],
    by_position=True,
)
KIM = TextNetwork(
    "40 words, Kim's CNN",
    8000,
    (40, 40),
    6,
    [
        {"type": "embedding", "size": 300},
        {"type": "text_cnn", "filters": 100, "widths": [3, 4, 5], "activation": "relu"},
        {"type": "dropout", "rate": 0.5},
        {"type": "dense", "units": 6},
    ],
)
