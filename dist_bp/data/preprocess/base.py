"""What preprocessing steps share: the two halves of a step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from dist_bp.component import Component
from dist_bp.data.files import DigestCache
from dist_bp.data.inputs import NUMBERS, ONLY, Block
from dist_bp.data.preprocess.form import Columns, Form, Part
from dist_bp.data.unseen import Unseen
from dist_bp.errors import DataError
from dist_bp.messages import unknown_name
from dist_bp.options import Doc, Text
from dist_bp.types import Array

Blocks = Callable[[], Iterator[Block]]
"""Starts a pass over the training split, as the steps before have left it."""
InputName = Annotated[Text | None, Doc("Which of several inputs; null: the only one of numbers.")]


class Transform(ABC):
    """What a preprocessor has learnt to do to samples; saved with the model."""

    kind: ClassVar[str]
    input: str | None = None
    """The input that it changes; None: it changes none, or makes new ones."""

    @abstractmethod
    def transform(self, block: Block) -> Block:
        """The block afterwards; the arrays of the argument may be overwritten."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` needs, in JSON types; floats survive bit for bit."""

    def observed(self, block: Block, unseen: Unseen) -> Block:
        """As `transform`; `unseen` takes what training has not seen, and what became of texts."""
        return self.transform(block)

    def knowing(self, training: Unseen) -> Self:
        """The same, where it must know what became of the training split's texts."""
        return self

    def after(self, form: Form) -> Form:
        """The form of the samples it makes from those of `form`. Raises ValueError where it was fitted to others."""
        return form


class Preprocessor(Component):
    """A preprocessing step as configured.

    `columns` are those it works on, None for all of its kind; `input` is the one of several inputs.
    """

    name: ClassVar[str]
    for_categories: ClassVar[str] = "leave it out of columns: {type: one_hot} or {type: categories} makes numbers of it"
    """What to do instead with a column of categories."""
    columns: Columns = None
    input: str | None = None

    @abstractmethod
    def fit(self, form: Form, blocks: Blocks) -> Transform:
        """Learns from the training split; raises DataError."""

    def place(self, form: Form) -> str:
        """The input that it works on, which is the table where `columns` are named; raises DataError."""
        return form.find(NUMBERS if self.input is None and self.columns and ONLY in form.inputs else self.input)

    def problems(self, form: Form) -> list[str]:
        """What is wrong with `input` and `columns`, one line each, where they must name numbers of `form`."""
        try:
            part = form.inputs[self.place(form)]
        except DataError as error:
            return [f"{self.label}: {line}" for line in error.problems]
        if self.columns is None:
            return []
        if len(part.shape) > 1:
            return [f"{self.label}: columns cannot be chosen where a sample has the shape {part.shape}"]
        coded = [name for name, one in form.inputs.items() if one.unseen is not None]
        categories = [name for name in self.columns if name in (*form.texts, *coded)]
        unknown = [name for name in self.columns if name not in (*part.column_names, *categories)]
        remedies = {name: ("categories", self.for_categories) for name in categories}
        remedies |= {name: ("text", "leave it out of columns") for name in categories if name in form.written}
        return [f"{self.label}: there is no column {unknown_name(name, part.column_names)}" for name in unknown] + [
            f"{self.label}: column {name!r} holds {what}, not numbers: {remedy}"
            for name, (what, remedy) in remedies.items()
        ]

    def outlook(self, form: Form) -> Form:
        """The form after the step as far as it is known before fitting: what the steps after it may name."""
        return form

    def content(self, cache: DigestCache) -> Any:
        """All that it does, in JSON types: what is prepared is known by it."""
        return asdict(self)  # type: ignore[call-overload]

    @property
    def label(self) -> str:
        return f"preprocess step {self.name}"


def check_known(label: str, part: Part, *statistics: Array) -> None:
    """Raises DataError where a column's statistic is NaN (it has missing values) or overflowed."""
    for statistic in statistics:
        bad = np.argwhere(~np.isfinite(statistic))
        if len(bad):
            position = tuple(map(int, bad[0]))
            reason = (
                "has missing values (NaN): put an impute step before it"
                if np.isnan(statistic[position])
                else "has values too large for float64"
            )
            raise DataError(f"{label}: {part.name_at(position)} {reason}")


def to_json(array: Array) -> Any:
    """Numbers as nested lists; NaN, which JSON lacks, as None."""
    missing = np.isnan(array)
    if missing.any():
        array = array.astype(object)
        array[missing] = None
    return array.tolist()


def from_json(values: Any) -> Array:
    """Undoes `to_json`; raises ValueError for anything but numbers and None."""
    array = np.array(values, object)
    if strange := {*map(type, array.flat)} - {int, float, type(None)}:
        raise ValueError(f"a {strange.pop().__name__} among what must be numbers")
    return array.astype(np.float64)


def check_numbers(form: Form, name: str, **fitted: Array | None) -> Part:
    """The input called `name`. Raises ValueError where it is none of numbers, or for an array, by what it is called,
    that is neither one of its samples nor the same for all positions, or for all but the last axis."""
    part = form.inputs.get(name)
    if part is None or part.count is not None:
        raise ValueError(f"there is no input {name!r} of numbers")
    for what, array in fitted.items():
        if array is not None and array.shape not in ((), part.shape[-1:], part.shape):
            raise ValueError(f"{what} has the shape {array.shape}, not {part.shape}")
    return part
