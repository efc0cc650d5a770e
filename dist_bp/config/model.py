"""`model`: the layers of the network."""

from typing import Annotated, Any, Literal

from pydantic import Field

from dist_bp.components import LAYERS
from dist_bp.config.component import Of
from dist_bp.config.fields import Section
from dist_bp.nn import INITIALIZERS

Layer = Annotated[Any, Of(LAYERS)]


class ModelConfig(Section):
    """The network."""

    dtype: Literal["float32", "float64"] = Field(default="float32", description="Type of parameters and activations.")
    initializer: Literal[tuple(INITIALIZERS)] | None = Field(  # type: ignore[valid-type]
        default=None,
        description="How weights are drawn where a layer does not say; null: what suits each layer.",
    )
    layers: tuple[Layer, ...] = Field(min_length=1, description="The layers, from the input to the output.")
