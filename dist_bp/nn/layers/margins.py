"""Windows over sequences of different lengths: the margins of each and its number of windows, as if it stood alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.signals import Field, Ragged
from dist_bp.types import Array


@dataclass(frozen=True)
class Margins:
    """Of windows that reach over `reach` positions, `stride` apart; `padding` as in `Windows.over`.

    With its margins each sequence has whole windows only. Those beyond its own see the margin or what is left over of
    the sequence; nobody reads what is made of them.
    """

    reach: int
    stride: int
    padding: Literal["same", "valid"] | int

    def windows(self, lengths: Array) -> Array:
        """How many windows each sequence has; none where it is too short for one, or empty."""
        if self.padding == "same":
            return (lengths + self.stride - 1) // self.stride
        found = (lengths + 2 * self._fixed - self.reach) // self.stride + 1
        return np.where(lengths > 0, np.maximum(found, 0), 0)

    def left_of(self, field: Field) -> Field:
        """`field` with as many positions as sequences have windows."""
        longest = None if field.longest is None else int(self.windows(np.array(field.longest)))
        return replace(field, longest=longest)

    def before(self, lengths: Array) -> Array:
        """How wide the margin before each sequence is."""
        if self.padding == "same":
            missing: Array = (self.windows(lengths) - 1) * self.stride + self.reach - lengths
            return np.maximum(missing, 0) // 2
        return np.full_like(lengths, self._fixed)

    def around(self, x: Ragged, outside: float, ctx: Context) -> Array:
        """The sequences with `outside` on both sides, long enough for a window: (n, positions, channels)."""
        both = self.reach - 1 if self.padding == "same" else 2 * self._fixed
        size = max(x.values.shape[1] + both, self.reach)
        around = ctx.buffer("around", (len(x.values), size, x.values.shape[-1]))
        around.fill(outside)
        for row, sequence, length, start in self._each(around, x.values, x.lengths):
            row[start : start + length] = sequence[:length]
        return around

    def within(self, d_around: Array, x: Ragged, ctx: Context) -> Array:
        """The gradient of the sequences from that of `around`, 0 beyond their ends."""
        dx = ctx.buffer("d_sequences", x.values.shape)
        dx.fill(0)
        for row, sequence, length, start in self._each(d_around, dx, x.lengths):
            sequence[:length] = row[start : start + length]
        return dx

    def _each(self, around: Array, sequences: Array, lengths: Array) -> Iterator[tuple[Array, Array, int, int]]:
        return zip(around, sequences, lengths.tolist(), self.before(lengths).tolist(), strict=True)

    @property
    def _fixed(self) -> int:
        return self.padding if isinstance(self.padding, int) else 0
