"""What preprocessing steps share: the form of a sample between two steps, and the two halves of a step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from dist_bp.component import Component
from dist_bp.data.inputs import Block, Features
from dist_bp.errors import DataError
from dist_bp.messages import unknown_name
from dist_bp.options import Text
from dist_bp.types import Array, Shape

Blocks = Callable[[], Iterator[Block]]
"""Starts a pass over the training split, as the steps before have left it."""
Columns = Sequence[Text] | None


@dataclass(frozen=True)
class Form:
    """A sample between two steps: numbers of `shape` with their `names` (None for a plain array), categories `texts`.

    The last `indicators` numbers were made by one_hot; the other steps leave them alone.
    """

    shape: Shape
    names: tuple[str, ...] | None
    texts: tuple[str, ...]
    indicators: int = 0

    @classmethod
    def of(cls, features: Features) -> "Form":
        if features.names is None:
            return cls(features.shape, None, ())
        numeric = features.numeric or ()
        return cls((len(numeric),), numeric, features.categorical)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of flat numbers; a plain array's columns are named by their position."""
        return self.names if self.names is not None else tuple(map(str, range(self.shape[0])))

    def chosen(self, columns: Columns) -> Array:
        """Mask of `shape` over the numbers that a step changes: all, or those of the columns named."""
        mask = np.ones(self.shape, bool)
        if columns is not None:
            mask[:] = [name in columns for name in self.column_names]
        if self.indicators:
            mask[-self.indicators :] = False
        return mask

    def name_at(self, position: tuple[int, ...]) -> str:
        """The column of a number, for messages."""
        if len(self.shape) > 1:
            return f"position ({', '.join(map(str, position))})"
        return f"column {position[0]}" if self.names is None else f"column {self.names[position[0]]!r}"

    def with_indicators(self, texts: tuple[str, ...], made: tuple[str, ...]) -> "Form":
        """The form after the categories `texts` became the numbers `made`."""
        return replace(
            self,
            shape=(self.shape[0] + len(made),),
            names=(*self.column_names, *made),
            texts=tuple(name for name in self.texts if name not in texts),
            indicators=self.indicators + len(made),
        )


class Transform(ABC):
    """What a preprocessor has learnt to do to samples; saved with the model."""

    kind: ClassVar[str]

    @abstractmethod
    def transform(self, block: Block) -> Block:
        """The block afterwards; the numbers of the argument may be overwritten."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` needs, in JSON types; floats survive bit for bit."""

    def after(self, form: Form) -> Form:
        """The form of the samples it makes from those of `form`. Raises ValueError where it was fitted to others."""
        return form


class Preprocessor(Component):
    """A preprocessing step as configured; `columns` are those it works on, None for all of its kind."""

    name: ClassVar[str]
    columns: Columns

    @abstractmethod
    def fit(self, form: Form, blocks: Blocks) -> Transform:
        """Learns from the training split; raises DataError."""

    def problems(self, form: Form) -> list[str]:
        """What is wrong with `columns`, one line each, where they must name numbers of `form`."""
        if self.columns is None:
            return []
        if len(form.shape) > 1:
            return [f"{self.label}: columns cannot be chosen where a sample has the shape {form.shape}"]
        categories = [name for name in self.columns if name in form.texts]
        unknown = [name for name in self.columns if name not in (*form.column_names, *form.texts)]
        return [f"{self.label}: there is no column {unknown_name(name, form.column_names)}" for name in unknown] + [
            f"{self.label}: column {name!r} holds categories, not numbers" for name in categories
        ]

    @property
    def label(self) -> str:
        return f"preprocess step {self.name}"


def check_known(label: str, form: Form, *statistics: Array) -> None:
    """Raises DataError where a column's statistic is NaN (it has missing values) or overflowed."""
    for statistic in statistics:
        bad = np.argwhere(~np.isfinite(np.broadcast_to(statistic, form.shape)))
        if len(bad):
            position = tuple(map(int, bad[0]))
            gone = np.isnan(np.broadcast_to(statistic, form.shape)[position])
            reason = (
                "has missing values (NaN): put an impute step before it" if gone else "has values too large for float64"
            )
            raise DataError(f"{label}: {form.name_at(position)} {reason}")


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


def check_shape(form: Form, **fitted: Array | None) -> None:
    """Raises ValueError for an array, by its name, that is not one of samples of `form`."""
    for name, array in fitted.items():
        if array is not None and array.shape != form.shape:
            raise ValueError(f"{name} has the shape {array.shape}, not {form.shape}")
