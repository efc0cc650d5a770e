"""The same layers several times over."""

from collections.abc import Sequence
from typing import Annotated

from dist_bp.errors import OptionError
from dist_bp.nn.layer import Layer
from dist_bp.nn.layers.sequential import MOST_LAYERS, Sequential
from dist_bp.options import Count, Doc, MinLen


class Repeat(Sequential):
    """Its layers several times over, each with parameters of its own."""

    def __init__(
        self,
        times: Annotated[Count, Doc("How often.")],
        layers: Annotated[Sequence[Layer], MinLen(1), Doc("The layers.")],
    ) -> None:
        if (count := times * sum(layer.count for layer in layers)) > MOST_LAYERS:
            raise OptionError("times", f"makes {count:,} layers, and a network may have {MOST_LAYERS:,}")
        super().__init__([layer for _ in range(times) for layer in layers])

    def unrolled(self) -> Sequence[Layer]:
        return [layer for _, layer in self.layers]
