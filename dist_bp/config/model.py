"""`model`: the layers of the network."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from dist_bp.components import LAYERS
from dist_bp.config.component import Custom, Of, parts
from dist_bp.config.fields import Section
from dist_bp.nn import INITIALIZERS
from dist_bp.nn.layers.sequential import MOST_LAYERS

Layer = Annotated[Any, Of(LAYERS)]


class ModelConfig(Section):
    """The network."""

    dtype: Literal["float32", "float64"] = Field(default="float32", description="Type of parameters and activations.")
    initializer: Literal[tuple(INITIALIZERS)] | None = Field(  # type: ignore[valid-type]
        default=None,
        description="How weights are drawn where a layer does not say; null: what suits each layer.",
    )
    layers: tuple[Layer, ...] = Field(min_length=1, description="The layers, from the input to the output.")

    @field_validator("layers")
    @classmethod
    def _are_not_too_many(cls, layers: tuple[Any, ...]) -> tuple[Any, ...]:
        if (count := sum(map(_count, layers))) > MOST_LAYERS:
            raise ValueError(f"make {count:,} layers, and a network may have {MOST_LAYERS:,}")
        return layers


def all_layers(layers: Iterable[Section]) -> Iterator[Section]:
    """The sections of layers and of those within them."""
    for layer in layers:
        yield layer
        yield from all_layers(_within(layer))


def _within(layer: Section) -> list[Section]:
    """In `layers`, `shortcut`, `inputs` or whatever option takes layers; those of the user's own are not known."""
    if isinstance(layer, Custom):
        return []
    return [part for _, value in layer for part in parts(value) if getattr(part, "__kind__", None) is LAYERS]


def _count(layer: Section) -> int:
    """How many layers a section stands for, told without making them."""
    inner = _within(layer)
    return int(getattr(layer, "times", 1)) * sum(map(_count, inner)) if inner else 1
