"""What standardize, min_max and scale learn: each column is shifted and scaled."""

from dataclasses import dataclass
from typing import Any, Self

from dist_bp.data.inputs import Block
from dist_bp.data.preprocess.base import Form, Transform, check_shape, from_json, to_json
from dist_bp.types import Array


@dataclass(frozen=True)
class Affine(Transform):
    """numbers -> (numbers - offset) * factor + shift, in float64; None leaves a term out."""

    kind = "affine"
    offset: Array | None
    factor: Array
    shift: Array | None

    def transform(self, block: Block) -> Block:
        if self.offset is not None:
            block.numbers -= self.offset
        block.numbers *= self.factor
        if self.shift is not None:
            block.numbers += self.shift
        return block

    def after(self, form: Form) -> Form:
        check_shape(form, offset=self.offset, factor=self.factor, shift=self.shift)
        return form

    def to_dict(self) -> dict[str, Any]:
        terms = {"offset": self.offset, "factor": self.factor, "shift": self.shift}
        return {name: None if term is None else to_json(term) for name, term in terms.items()}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        offset, shift = (None if state[name] is None else from_json(state[name]) for name in ("offset", "shift"))
        return cls(offset, from_json(state["factor"]), shift)
