"""What layers share that make one vector of a sequence."""

from abc import abstractmethod

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.types import Backward, Views
from dist_bp.signals import Field, Signal, Spec, one_sequence, with_lengths
from dist_bp.types import Array


class OverTime(Layer):
    """(n, positions, channels) -> (n, channels), each sequence to its own end; zeros of one without positions."""

    positionwise = False

    def declare(self, spec: Spec) -> Declaration:
        return Declaration(Field(one_sequence(spec, self.kind).shape[-1:]))

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Array, Backward]:
        values, lengths = with_lengths(x)
        y = ctx.buffer("y", (len(values), values.shape[-1]))
        self._read(values, lengths, y, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            if not ctx.needs_input_grad:
                return None
            dx = ctx.buffer("dx", values.shape)
            self._back(dy, values, lengths, y, dx, ctx)
            return dx

        return y, backward

    @abstractmethod
    def _read(self, x: Array, lengths: Array, y: Array, ctx: Context) -> None:
        """Fills `y` (n, channels)."""

    @abstractmethod
    def _back(self, dy: Array, x: Array, lengths: Array, y: Array, dx: Array, ctx: Context) -> None:
        """Fills `dx` (n, longest, channels), with 0 beyond a sequence's end. `dy` may be overwritten."""
