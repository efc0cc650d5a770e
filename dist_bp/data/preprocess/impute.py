"""impute: values for the missing ones."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np

from dist_bp.data.categories import category_of
from dist_bp.data.inputs import BLOCK_BYTES, Block, absent
from dist_bp.data.moments import PresentMean
from dist_bp.data.preprocess.base import (
    Blocks,
    Columns,
    Form,
    Preprocessor,
    Transform,
    check_shape,
    from_json,
    to_json,
)
from dist_bp.errors import DataError, OptionError
from dist_bp.foreign import checked
from dist_bp.messages import unknown_name
from dist_bp.options import Doc, Text
from dist_bp.types import Array


@dataclass(frozen=True)
class Fill(Transform):
    """What takes the place of a missing number (NaN: it stays missing) and of a missing category (None: likewise)."""

    kind = "impute"
    numbers: Array
    texts: tuple[str | None, ...]

    def transform(self, block: Block) -> Block:
        missing = np.isnan(block.numbers)
        if missing.any():
            np.copyto(block.numbers, self.numbers, where=missing)
        texts = block.texts
        for position, value in enumerate(self.texts):
            gone = absent(texts[:, position])
            if value is not None and gone.any():
                texts = texts.copy()
                texts[gone, position] = value
        return Block(block.numbers, texts)

    def after(self, form: Form) -> Form:
        check_shape(form, numbers=self.numbers)
        if len(self.texts) != len(form.texts):
            raise ValueError(f"{len(self.texts)} texts for {len(form.texts)} columns of categories")
        return form

    def to_dict(self) -> dict[str, Any]:
        return {"numbers": to_json(self.numbers), "texts": list(self.texts)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        return cls(from_json(state["numbers"]), checked(tuple[str | None, ...], state["texts"]))


@dataclass(frozen=True)
class Impute(Preprocessor):
    """Fill in missing values.

    By default in every column that the strategy suits: mean and median suit numbers, most_frequent numbers and
    categories (the least of equally frequent ones), constant those of the kind of `value`. The
    statistics are those of the training split.
    """

    name = "impute"
    strategy: Annotated[
        Literal["mean", "median", "most_frequent", "constant"],
        Doc("Where the value comes from: the training split's column, or `value`."),
    ] = "mean"
    value: Annotated[Text | float | None, Doc("The value of the strategy constant.")] = None
    columns: Annotated[Columns, Doc("Which columns; null: all that have missing values.")] = None

    def __post_init__(self) -> None:
        if self.strategy == "constant" and self.value is None:
            raise OptionError("value", "is required by the strategy constant")
        if self.strategy != "constant" and self.value is not None:
            reason = f"has no effect with the strategy {self.strategy}: remove it, or set strategy: constant"
            raise OptionError("value", reason)

    def fit(self, form: Form, blocks: Blocks) -> Fill:
        numbers = np.full(form.shape, np.nan)
        texts: list[str | None] = [None] * len(form.texts)
        chosen = form.chosen(self.columns)
        wanted = [i for i, name in enumerate(form.texts) if self.columns is None or name in self.columns]
        if self.strategy == "constant":
            if isinstance(self.value, str):
                texts = [category_of(self.value) if i in wanted else None for i in range(len(texts))]
            else:
                numbers[chosen] = self.value
            return Fill(numbers, tuple(texts))
        if chosen.any():
            statistic = {"mean": _means, "median": _medians, "most_frequent": _modes}[self.strategy]
            numbers[chosen] = statistic(form, blocks)[chosen]
            self._refuse_empty(form, chosen & np.isnan(numbers))
        if self.strategy == "most_frequent":
            for i in wanted:
                texts[i] = _mode_of_texts(form.texts[i], i, blocks)
        return Fill(numbers, tuple(texts))

    def problems(self, form: Form) -> list[str]:
        if self.strategy != "most_frequent" and not isinstance(self.value, str):
            return super().problems(form)
        known = form.texts if isinstance(self.value, str) else (*form.column_names, *form.texts)
        what = "categorical column" if isinstance(self.value, str) else "column"
        return [
            f"{self.label}: there is no {what} {unknown_name(name, known)}"
            for name in self.columns or ()
            if name not in known
        ]

    def _refuse_empty(self, form: Form, unknown: Array) -> None:
        if unknown.any():
            where = form.name_at(tuple(map(int, np.argwhere(unknown)[0])))
            raise DataError(
                f"{self.label}: {where} has no value at all in the training split: leave it out, or use "
                "{type: impute, strategy: constant}"
            )


def _means(form: Form, blocks: Blocks) -> Array:
    mean = PresentMean()
    for block in blocks():
        mean.update(block.numbers)
    return mean.result


def _medians(form: Form, blocks: Blocks) -> Array:
    """Exact medians; as many columns are held in memory at a time as make a block."""
    width = math.prod(form.shape)
    samples = sum(len(block.numbers) for block in blocks())
    at_a_time = max(1, BLOCK_BYTES // (8 * samples))
    medians = np.full(width, np.nan)
    for first in range(0, width, at_a_time):
        last = min(first + at_a_time, width)
        columns = np.concatenate([block.numbers.reshape(-1, width)[:, first:last] for block in blocks()])
        filled = ~np.isnan(columns).all(axis=0)
        medians[first:last][filled] = np.nanmedian(columns[:, filled], axis=0)
    return medians.reshape(form.shape)


def _modes(form: Form, blocks: Blocks) -> Array:
    width = math.prod(form.shape)
    counts: list[Counter[float]] = [Counter() for _ in range(width)]
    for block in blocks():
        for count, column in zip(counts, block.numbers.reshape(-1, width).T, strict=True):
            values, times = np.unique(column[~np.isnan(column)], return_counts=True)
            count.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
    return np.array([_mode(count) if count else np.nan for count in counts]).reshape(form.shape)


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
