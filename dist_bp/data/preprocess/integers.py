"""integers: whole numbers stay whole, for an embedding."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

import numpy as np

from dist_bp.data.inputs import NUMBERS, ONLY, Block, row_at
from dist_bp.data.preprocess.base import Blocks, Preprocessor, Transform
from dist_bp.data.preprocess.form import Form
from dist_bp.errors import DataError
from dist_bp.foreign import checked
from dist_bp.options import Count, Doc, Text
from dist_bp.types import Array

MOST = 2**31


@dataclass(frozen=True)
class Whole(Transform):
    """Makes int64 of an input; refuses what is no whole number in 0..count-1."""

    kind = "integers"
    count: int
    input: str = ONLY

    def transform(self, block: Block) -> Block:
        values = block.values(self.input)
        reason = f"lies outside of 0 to {self.count - 1}: set count of the step integers where it may"
        _refuse(block, self.input, values, (values < 0) | (values >= self.count), reason)
        block.put(self.input, values.astype(np.int64))
        return block

    def after(self, form: Form) -> Form:
        part = form.inputs.get(self.input)
        if part is None or part.names is not None or part.count is not None or not 0 < self.count <= MOST:
            raise ValueError(f"integers of the input {self.input!r}, below {self.count}")
        return form.given(self.input, replace(part, count=self.count))

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "count": self.count}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        return cls(checked(int, state["count"]), checked(str, state["input"]))


@dataclass(frozen=True)
class Integers(Preprocessor):
    """Keep the whole numbers of an array whole, as an embedding takes them; all others become floats.

    Negative numbers, fractions and numbers from `count` on are refused.
    """

    name = "integers"
    count: Annotated[
        Count | None, Doc("The numbers lie in 0..count-1; null: one more than the largest of the training split.")
    ] = None
    input: Annotated[Text | None, Doc("Which of several inputs; null: the only one.")] = None

    def fit(self, form: Form, blocks: Blocks) -> Whole:
        name, largest = form.find(self.input), 0
        for block in blocks():
            values = block.values(name)
            _refuse(block, name, values, values < 0, "is negative")
            largest = max(largest, int(values.max(initial=0)))
        if self.count is None and largest >= MOST:
            raise DataError(f"{self.label}: numbers up to {largest} are too large for an embedding")
        return Whole(self.count or largest + 1, name)

    def problems(self, form: Form) -> list[str]:
        if lines := super().problems(form):
            return lines
        if form.inputs[form.find(self.input)].names is not None:
            return [f"{self.label}: is for arrays; for columns of a table use {{type: categories}}"]
        return []

    def outlook(self, form: Form) -> Form:
        name = form.find(self.input)
        return form.given(name, replace(form.inputs[name], count=1))


def _refuse(block: Block, name: str, values: Array, outside: Array, reason: str) -> None:
    """Raises DataError for the first value of an input that is no whole number, or is `outside`."""
    broken = values != np.floor(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    for bad, why in ((broken, "is no whole number"), (outside, reason)):
        if bad.any():
            place = tuple(map(int, np.argwhere(bad)[0]))
            what = f"the input {name!r}" if name not in (ONLY, NUMBERS) else "the input"
            where = row_at(block.row_of(name, place[0]))
            raise DataError(f"{what} holds {values[place].item()!r} in {where}, which {why}")
