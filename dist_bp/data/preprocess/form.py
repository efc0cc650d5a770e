"""The form of a sample between two steps."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dist_bp.data.inputs import NUMBERS, ONLY, Described, by_name
from dist_bp.errors import DataError
from dist_bp.messages import unknown_name
from dist_bp.options import Text
from dist_bp.signals import Field, Spec
from dist_bp.types import Array, Shape

Columns = Sequence[Text] | None


@dataclass(frozen=True)
class Part:
    """One input between two steps: numbers of `shape` with their `names` (None for a plain array).

    The last `indicators` numbers were made by one_hot; the other steps leave them alone. `ragged` samples have a first
    axis of different lengths that `shape` lacks; whole numbers lie below `count`, None where they are numbers, and
    `unseen` is the one for all that training has not seen.
    """

    shape: Shape
    names: tuple[str, ...] | None = None
    indicators: int = 0
    ragged: bool = False
    count: int | None = None
    unseen: int | None = None
    longest: int | None = None

    @property
    def field(self) -> Field:
        """As the network takes it."""
        return Field(
            self.shape,
            "float" if self.count is None else "int",
            self.ragged,
            self.count,
            self.unseen,
            self.longest,
        )

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of flat numbers; a plain array's columns are named by their position."""
        return self.names if self.names is not None else tuple(map(str, range(self.shape[0] if self.shape else 1)))

    def chosen(self, columns: Columns) -> Array:
        """Mask of `shape` over the numbers that a step changes: all, or those of the columns named."""
        mask = np.ones(self.shape, bool)
        if columns is not None:
            mask[:] = [name in columns for name in self.column_names]
        if self.indicators:
            mask[-self.indicators :] = False
        return mask

    def statistics(self, columns: Columns, per: Literal["element", "channel"]) -> Array:
        """As `chosen`, of the statistics of each element or of each channel."""
        return np.ones(self.shape[-1:], bool) if per == "channel" and len(self.shape) > 1 else self.chosen(columns)

    def name_at(self, position: tuple[int, ...]) -> str:
        """The column of a number, for messages."""
        if len(position) == 1:
            what = "column" if len(self.shape) == 1 else "channel"
            return f"{what} {position[0]}" if self.names is None else f"{what} {self.names[position[0]]!r}"
        return f"position ({', '.join(map(str, position))})" if position else "a number"

    def with_indicators(self, made: tuple[str, ...]) -> "Part":
        """The form with the numbers `made` behind its own."""
        return replace(
            self,
            shape=(self.shape[0] + len(made),),
            names=(*self.column_names, *made),
            indicators=self.indicators + len(made),
        )


@dataclass(frozen=True)
class Form:
    """A sample between two steps: its inputs by name, and the columns `texts` of categories and of text.

    `written` are those of text, which no step for categories takes.
    """

    inputs: Mapping[str, Part]
    texts: tuple[str, ...] = ()
    written: tuple[str, ...] = ()

    @classmethod
    def of(cls, features: Described) -> "Form":
        parts: dict[str, Part] = {}
        texts: tuple[str, ...] = ()
        written: tuple[str, ...] = ()
        for name, one in by_name(features).items():
            if one.names is None:
                parts[name] = Part(one.shape, ragged=one.ragged)
            else:
                parts[name] = Part((len(one.numeric or ()),), one.numeric)
                texts, written = one.worded, one.text
        return cls(parts, texts, written)

    @property
    def categories(self) -> tuple[str, ...]:
        """The columns of categories."""
        return tuple(name for name in self.texts if name not in self.written)

    @property
    def names(self) -> dict[str, str]:
        """What the network calls each input that it gets; one that is alone has no name."""
        if [*self.inputs] == [ONLY]:
            return {ONLY: ONLY}
        empty = {ONLY} if ONLY in self.inputs and self.inputs[ONLY].shape == (0,) else set()
        return {name: name or NUMBERS for name in self.inputs if name not in empty}

    @property
    def spec(self) -> Spec:
        """A sample as the network takes it."""
        if [*self.inputs] == [ONLY]:
            return self.inputs[ONLY].field
        return {outside: self.inputs[name].field for name, outside in self.names.items()}

    def find(self, wanted: str | None) -> str:
        """The input that a step works on: the one called `wanted`, else the only one of numbers. Raises DataError."""
        numbers = [name for name, part in self.inputs.items() if part.count is None]
        if wanted is None:
            filled = [name for name in numbers if self.inputs[name].shape != (0,)] or numbers
            if len(filled) == 1:
                return filled[0]
            named = ", ".join(name or NUMBERS for name in filled)
            raise DataError(
                f"there are several inputs, {named}: name the one that is meant with input"
                if numbers
                else "there is no input of numbers, only of whole numbers that are no amounts: leave the step out"
            )
        found = ONLY if wanted == NUMBERS and ONLY in self.inputs else wanted
        if found not in self.inputs:
            if [*self.inputs] == [ONLY]:
                raise DataError(f"there is one input, which has no name: leave out input: {wanted}")
            known = [name or NUMBERS for name in self.inputs]
            raise DataError(f"there is no input {unknown_name(wanted, known)}")
        if found not in numbers:
            raise DataError(f"the input {wanted!r} holds whole numbers that are no amounts: leave them to the network")
        return found

    def given(self, name: str, part: Part) -> "Form":
        """The form with another input, or with one more."""
        return replace(self, inputs={**self.inputs, name: part})

    def without(self, columns: Collection[str]) -> "Form":
        """The form without some columns of categories or text."""
        texts, written = (tuple(name for name in names if name not in columns) for names in (self.texts, self.written))
        return replace(self, texts=texts, written=written)
