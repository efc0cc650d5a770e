"""What standardize, min_max and scale learn: numbers are shifted and scaled."""

from dataclasses import dataclass
from typing import Any, Literal, Self

from dist_bp.data.inputs import ONLY, Block
from dist_bp.data.preprocess.base import Transform, check_numbers, from_json, to_json
from dist_bp.data.preprocess.form import Form, Part
from dist_bp.foreign import checked
from dist_bp.types import Array

Per = Literal["element", "channel"]


@dataclass(frozen=True)
class Affine(Transform):
    """numbers -> (numbers - offset) * factor + shift, in float64; None leaves a term out.

    A term has the shape of a sample, of its last axis, or ().
    """

    kind = "affine"
    offset: Array | None
    factor: Array
    shift: Array | None
    input: str = ONLY

    def transform(self, block: Block) -> Block:
        self.change(block.numbers(self.input))
        return block

    def change(self, numbers: Array) -> None:
        """Of numbers (n, ...) in place."""
        if self.offset is not None:
            numbers -= self.offset
        numbers *= self.factor
        if self.shift is not None:
            numbers += self.shift

    @property
    def axes(self) -> int:
        """Axes of a sample along which the terms differ."""
        return max(term.ndim for term in (self.offset, self.factor, self.shift) if term is not None)

    def after(self, form: Form) -> Form:
        check_numbers(form, self.input, offset=self.offset, factor=self.factor, shift=self.shift)
        return form

    def to_dict(self) -> dict[str, Any]:
        terms = {"offset": self.offset, "factor": self.factor, "shift": self.shift}
        return {"input": self.input} | {name: None if term is None else to_json(term) for name, term in terms.items()}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        offset, shift = (None if state[name] is None else from_json(state[name]) for name in ("offset", "shift"))
        return cls(offset, from_json(state["factor"]), shift, checked(str, state["input"]))


def spread(numbers: Array, per: Per, part: Part) -> Array:
    """Numbers (n, *shape) as rows over which a statistic is taken: of each element, or of each channel."""
    return numbers.reshape(-1, part.shape[-1]) if per == "channel" and part.shape else numbers
