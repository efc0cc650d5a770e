"""impute: values for the missing ones."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

import numpy as np

from dist_bp.data.categories import category_of
from dist_bp.data.inputs import BLOCK_BYTES, NUMBERS, ONLY, Block, absent
from dist_bp.data.moments import PresentMean
from dist_bp.data.preprocess.base import (
    Blocks,
    InputName,
    Preprocessor,
    Transform,
    check_numbers,
    from_json,
    to_json,
)
from dist_bp.data.preprocess.form import Columns, Form, Part
from dist_bp.errors import DataError, OptionError
from dist_bp.foreign import checked
from dist_bp.messages import unknown_name
from dist_bp.options import Doc, Text
from dist_bp.types import Array

NumberBlocks = Callable[[], Iterator[Array]]
"""Starts a pass over the numbers of one input."""


@dataclass(frozen=True)
class Fill(Transform):
    """What takes the place of a missing number (NaN: it stays missing) and of a missing category (None: likewise)."""

    kind = "impute"
    numbers: Array
    texts: tuple[str | None, ...]
    input: str = ONLY

    def transform(self, block: Block) -> Block:
        numbers = block.numbers(self.input)
        missing = np.isnan(numbers)
        if missing.any():
            np.copyto(numbers, self.numbers, where=missing)
        texts = block.texts
        for position, value in enumerate(self.texts):
            gone = absent(texts[:, position])
            if value is not None and gone.any():
                texts = texts.copy()
                texts[gone, position] = value
        return replace(block, texts=texts)

    def after(self, form: Form) -> Form:
        check_numbers(form, self.input, numbers=self.numbers)
        if len(self.texts) != len(form.texts):
            raise ValueError(f"{len(self.texts)} texts for {len(form.texts)} columns of categories")
        return form

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "numbers": to_json(self.numbers), "texts": list(self.texts)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        texts = checked(tuple[str | None, ...], state["texts"])
        return cls(from_json(state["numbers"]), texts, checked(str, state["input"]))


@dataclass(frozen=True)
class Impute(Preprocessor):
    """Fill in missing values.

    By default in every column that the strategy suits: mean and median suit numbers, most_frequent numbers and
    categories (the least of equally frequent ones), constant those of the kind of `value`. The
    statistics are those of the training split.
    """

    name = "impute"
    for_categories = "use strategy: most_frequent, or strategy: constant with a text as its value"
    strategy: Annotated[
        Literal["mean", "median", "most_frequent", "constant"],
        Doc("Where the value comes from: the training split's column, or `value`."),
    ] = "mean"
    value: Annotated[Text | float | None, Doc("The value of the strategy constant.")] = None
    columns: Annotated[Columns, Doc("Which columns; null: all that have missing values.")] = None
    input: InputName = None

    def __post_init__(self) -> None:
        if self.strategy == "constant" and self.value is None:
            raise OptionError("value", "is required by the strategy constant")
        if self.strategy != "constant" and self.value is not None:
            reason = f"has no effect with the strategy {self.strategy}: remove it, or set strategy: constant"
            raise OptionError("value", reason)

    def fit(self, form: Form, blocks: Blocks) -> Fill:
        name = self.place(form)
        part = form.inputs[name]
        numbers = np.full(part.shape, np.nan)
        texts: list[str | None] = [None] * len(form.texts)
        chosen = part.chosen(self.columns)
        named = form.categories if self.columns is None else self.columns
        wanted = [i for i, name in enumerate(form.texts) if name in named]
        if self.strategy == "constant":
            if isinstance(self.value, str):
                texts = [category_of(self.value) if i in wanted else None for i in range(len(texts))]
            else:
                numbers[chosen] = self.value
            return Fill(numbers, tuple(texts), name)
        if chosen.any():
            statistic = {"mean": _means, "median": _medians, "most_frequent": _modes}[self.strategy]
            numbers[chosen] = statistic(part, lambda: (block.numbers(name) for block in blocks()))[chosen]
            self._refuse_empty(part, chosen & np.isnan(numbers))
        if self.strategy == "most_frequent":
            for i in wanted:
                texts[i] = _mode_of_texts(form.texts[i], i, blocks)
        return Fill(numbers, tuple(texts), name)

    def place(self, form: Form) -> str:
        """Where there is a table it is that: beside it are images, of which no pixel is missing."""
        return form.find(NUMBERS if self.input is None and ONLY in form.inputs else self.input)

    def problems(self, form: Form) -> list[str]:
        if self.strategy != "most_frequent" and not isinstance(self.value, str):
            return super().problems(form)
        if lines := Impute(input=self.input).problems(form):
            return lines
        part = form.inputs[self.place(form)]
        if isinstance(self.value, str) and part.names is None and not form.categories:
            return [f"{self.label}: value {self.value!r} is for categories, and the data has none: leave the step out"]
        if len(part.shape) > 1:
            return super().problems(form)
        columns = part.column_names
        known = form.categories if isinstance(self.value, str) else (*columns, *form.categories)
        what = "categorical column" if isinstance(self.value, str) else "column"
        return [
            f"{self.label}: there is no {what} {unknown_name(name, known)}"
            for name in self.columns or ()
            if name not in known
        ]

    def _refuse_empty(self, part: Part, unknown: Array) -> None:
        if unknown.any():
            where = part.name_at(tuple(map(int, np.argwhere(unknown)[0])))
            raise DataError(
                f"{self.label}: {where} has no value at all in the training split: leave it out, or use "
                "{type: impute, strategy: constant}"
            )


def _means(part: Part, blocks: NumberBlocks) -> Array:
    mean = PresentMean()
    for numbers in blocks():
        mean.update(numbers)
    return mean.result


def _medians(part: Part, blocks: NumberBlocks) -> Array:
    """Exact medians; as many columns are held in memory at a time as make a block."""
    width = math.prod(part.shape)
    samples = sum(len(numbers) for numbers in blocks())
    at_a_time = max(1, BLOCK_BYTES // (8 * samples))
    medians = np.full(width, np.nan)
    for first in range(0, width, at_a_time):
        last = min(first + at_a_time, width)
        columns = np.concatenate([numbers.reshape(-1, width)[:, first:last] for numbers in blocks()])
        filled = ~np.isnan(columns).all(axis=0)
        medians[first:last][filled] = np.nanmedian(columns[:, filled], axis=0)
    return medians.reshape(part.shape)


def _modes(part: Part, blocks: NumberBlocks) -> Array:
    width = math.prod(part.shape)
    counts: list[Counter[float]] = [Counter() for _ in range(width)]
    for numbers in blocks():
        for count, column in zip(counts, numbers.reshape(-1, width).T, strict=True):
            values, times = np.unique(column[~np.isnan(column)], return_counts=True)
            count.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
    return np.array([_mode(count) if count else np.nan for count in counts]).reshape(part.shape)


def _mode_of_texts(name: str, position: int, blocks: Blocks) -> str:
    count = Counter(text for block in blocks() for text in block.texts[:, position] if text is not None)
    if not count:
        raise DataError(
            f"preprocess step impute: column {name!r} has no value at all in the training split: leave it out"
        )
    return str(_mode(count))


def _mode(count: Counter[Any]) -> Any:
    """The most frequent value, the least of them where several are."""
    most = max(count.values())
    return min(value for value, times in count.items() if times == most)
