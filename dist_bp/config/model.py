"""`model`: the layers of the network."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from dist_bp.config.fields import ByType, Count, Custom, Flag, Fraction, NonNegative, Positive, Section

ActivationName = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus"]
InitializerName = Literal[
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
    "zeros",
]


class Dense(Section):
    """A fully connected layer."""

    type: Literal["dense"] = Field(description="Fully connected: activation(x @ weight + bias).")
    units: Count = Field(description="Number of outputs.")
    activation: ActivationName | None = Field(default=None, description="Function of the outputs; null: none.")
    bias: Flag = Field(default=True, description="Whether a bias is added.")
    initializer: InitializerName | None = Field(
        default=None,
        description="How the weights are drawn; null: model.initializer, or what suits the activation.",
    )


class Activation(Section):
    """A function of each element."""

    type: Literal["activation"] = Field(description="A function of each element.")
    function: ActivationName = Field(description="Which function.")
    alpha: NonNegative | None = Field(
        default=None, description="Parameter of leaky_relu and elu; null: the function's own default."
    )

    @field_validator("alpha")
    @classmethod
    def _has_an_effect(cls, alpha: float | None, info: ValidationInfo) -> float | None:
        function = info.data.get("function", "elu")
        if alpha is not None and function not in ("leaky_relu", "elu"):
            raise ValueError(f"belongs to leaky_relu and elu, {function} has none: remove it")
        return alpha


class Dropout(Section):
    """Random zeros in training."""

    type: Literal["dropout"] = Field(description="In training, sets random elements to zero and scales up the rest.")
    rate: Fraction = Field(description="Probability of zero, in [0, 1).")


class BatchNorm(Section):
    """Normalisation over the samples."""

    type: Literal["batch_norm"] = Field(description="Normalises each feature over the samples of a group.")
    momentum: Fraction = Field(default=0.9, description="Share of the running statistics that an update keeps.")
    epsilon: Positive = Field(default=1e-5, description="Added to the variance.")


class LayerNorm(Section):
    """Normalisation over the features."""

    type: Literal["layer_norm"] = Field(description="Normalises each sample over its features.")
    epsilon: Positive = Field(default=1e-5, description="Added to the variance.")


class Flatten(Section):
    """All axes of a sample in one."""

    type: Literal["flatten"] = Field(description="Puts all axes of a sample into one.")


class Reshape(Section):
    """Another shape of the same elements."""

    type: Literal["reshape"] = Field(description="Gives each sample another shape of as many elements.")
    shape: tuple[Count, ...] = Field(min_length=1, description="The shape of a sample, without the batch.")


class Residual(Section):
    """A sum of the input and what the inner layers make of it."""

    type: Literal["residual"] = Field(description="Adds its input to the output of its layers.")
    layers: "tuple[Layer, ...]" = Field(
        min_length=1, description="The layers between input and sum; they keep the shape."
    )


class Repeat(Section):
    """The same layers several times, each time with parameters of their own."""

    type: Literal["repeat"] = Field(description="Its layers several times over, each with parameters of its own.")
    times: Count = Field(description="How often.")
    layers: "tuple[Layer, ...]" = Field(min_length=1, description="The layers.")


class CustomLayer(Custom):
    """A layer class of the user's own."""


Layer = Annotated[
    Dense | Activation | Dropout | BatchNorm | LayerNorm | Flatten | Reshape | Residual | Repeat | CustomLayer,
    ByType(),
]


class ModelConfig(Section):
    """The network."""

    dtype: Literal["float32", "float64"] = Field(default="float32", description="Type of parameters and activations.")
    initializer: InitializerName | None = Field(
        default=None,
        description="How weights are drawn where a layer does not say; null: what suits each layer.",
    )
    layers: tuple[Layer, ...] = Field(min_length=1, description="The layers, from the input to the output.")
