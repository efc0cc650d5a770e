"""The block that transformers are made of."""

from typing import Annotated

from dist_bp.nn.activations import ActivationFunction, ActivationName, activation_function
from dist_bp.nn.activations.gelu import Gelu
from dist_bp.nn.context import Context
from dist_bp.nn.initializers import Initializer, InitializerName
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.attention import Attention, Causal, Heads, Rotary
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.nn.layers.gated import Gated
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.nn.layers.residual import Residual
from dist_bp.nn.layers.sequential import Sequential
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc, Fraction
from dist_bp.signals import Signal, Spec, one_sequence

GATED_TO = 8
"""The width between the two weights of a gated half is rounded up to a multiple of so many channels."""


class TransformerBlock(Layer):
    """Attention, then two dense layers at each position, both added to what they are made of.

    x + attention(norm(x)), then x + dense(activation(dense(norm(x)))), with the norms before (Xiong et al. 2020).
    """

    positionwise = False

    def __init__(
        self,
        heads: Heads,
        causal: Causal = False,
        positions: Rotary = "none",
        hidden: Annotated[
            Count | None,
            Doc("Channels between the two dense layers; null: 4 times those of a position, gated two thirds of it."),
        ] = None,
        activation: Annotated[
            ActivationName | ActivationFunction | None,
            Doc("Function between the two: its name, or with options; null: gelu by tanh, as in GPT-2, or gated silu."),
        ] = None,
        gated: Annotated[
            bool, Doc("Whether the function's values multiply a second product: SwiGLU with silu (Shazeer 2020).")
        ] = False,
        dropout: Annotated[Fraction, Doc("Rate of dropout of what is added.")] = 0.0,
        initializer: Annotated[
            InitializerName | Initializer | None,
            Doc("How the weights are drawn; null: model.initializer, or lecun_uniform."),
        ] = None,
    ) -> None:
        self.attention = Attention(heads, causal, positions, initializer=initializer)
        self.hidden = hidden
        self.activation = activation_function(activation or ("silu" if gated else Gelu("tanh")))
        self.gated = gated
        self.dropout = dropout
        self._made: dict[int, Sequential] = {}

    @property
    def count(self) -> int:
        return self._within(self.attention.heads).count

    @property
    def continues(self) -> bool:
        return self.attention.continues

    def declare(self, spec: Spec) -> Declaration:
        field = one_sequence(spec, self.kind)
        return self._within(field.shape[-1]).declare(field)

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        width = len(params["1"]["layers"]["0"]["gain"])
        return self._within(width).forward(x, params, ctx)

    def _within(self, width: int) -> Sequential:
        """The layers for positions of so many channels."""
        if width not in self._made:
            drop = [Dropout(self.dropout)] if self.dropout else []
            attention = Residual([LayerNorm(), self.attention, *drop])
            self._made[width] = Sequential([attention, Residual([LayerNorm(), *self._dense(width), *drop])])
        return self._made[width]

    def _dense(self, width: int) -> list[Layer]:
        start, last = self.attention.initializer, Dense(width, initializer=self.attention.initializer)
        if self.gated:
            hidden = self.hidden or -(-(8 * width) // (3 * GATED_TO)) * GATED_TO
            return [Gated(hidden, self.activation, start), last]
        return [Dense(self.hidden or 4 * width, self.activation, initializer=start), last]
