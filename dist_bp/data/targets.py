"""Targets: class labels as whole numbers from 0, or the values of a regression; of samples or of their positions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from dist_bp.data.arrays import KINDS, is_ragged, place_at, ragged_array, values_of
from dist_bp.data.categories import Vocabulary, category_of, text_of
from dist_bp.data.inputs import row_at
from dist_bp.data.label_sequences import are_texts, labels_of
from dist_bp.data.samples import RaggedArray
from dist_bp.data.target_transform import LEAST, TargetTransform, TransformName
from dist_bp.errors import ConfigError, DataError
from dist_bp.foreign import checked
from dist_bp.types import Array, DType, Shape, Task

Label = str | int | float
LabelsPer = Literal["sample", "position", "sequence"]
"""What labels of several axes are: several of a sample, a class for each position, or classes in any number."""
YAML_TRUTH = {True: ("true", "yes", "on"), False: ("false", "no", "off")}
"""What YAML takes for a truth value, where it has no quotes."""


@dataclass(frozen=True)
class Targets:
    """How raw targets become arrays.

    Labels (n, *positions) become int64 places in `classes`. Classification of several labels at once (n, k) and
    regression (n, *positions, k) have `classes` None and become floats of `dtype`, a regression's by its `transform`;
    `shape` is that of one target: positions, and k. The first axis of positions is not in it where it is `ragged`.
    `values` are the raw labels where they differ from the names in `classes`; `column` is the target's column in a
    table; `threshold` is the one between two classes that training chose, and `counts` are how often each class occurs
    in the training split, by the samples' weights, where the loss goes by them. `weighted` says that the samples of
    that split did not all count alike.
    """

    task: Task
    shape: Shape
    dtype: DType
    classes: tuple[Label, ...] | None = None
    values: tuple[Label, ...] | None = None
    column: str | None = None
    transform: TargetTransform | None = None
    threshold: float | None = None
    counts: tuple[float, ...] | None = None
    ragged: bool = False
    weighted: bool = False

    @property
    def by_position(self) -> bool:
        """Whether each sample has several targets, one for each position."""
        return self.ragged or len(self.shape) > (0 if self.classes is not None else 1)

    def encode(self, raw: Any) -> Array | RaggedArray:
        """Raises DataError naming the first target that does not fit."""
        found = target_array(raw)
        if self.ragged and not isinstance(found, RaggedArray):
            found = labels_of(found) if are_texts(found) else ragged_array(found, "the targets", KINDS)
        if isinstance(found, RaggedArray):
            if not self.ragged:
                raise DataError("the targets are ragged: all must have the same shape")
            coded = self._floats(found) if self.classes is None else self._labels(found)
            return RaggedArray(coded, found.offsets)
        return self._floats(found) if self.classes is None else self._labels(found)

    def _labels(self, targets: Array | RaggedArray) -> Array:
        classes, array = self.classes or (), values_of(targets)
        if array.shape[1:] != self.shape:
            wanted = ", ".join(map(str, ("n", *self.shape))) + ("," if not self.shape else "")
            raise DataError(f"the labels must have the shape ({wanted}), these have {array.shape}")
        places = {text_of(name): place for place, name in enumerate(classes)}
        places |= {text_of(value): place for place, value in enumerate(self.values or ())}
        if array.dtype.kind == "b":
            array = array.astype(str if places.keys() & {"False", "True"} else np.int64)
        spelled = {category_of(text): place for text, place in places.items()}
        if any(spelled[category_of(text)] != place for text, place in places.items()):
            spelled = {}  # classes that only their spelling tells apart
        unique, inverse = np.unique(array, return_inverse=True)
        vocabulary = Vocabulary(places)
        names = [_name(label, vocabulary) for label in unique.tolist()]
        codes = np.array([places.get(name, spelled.get(category_of(name), -1)) for name in names], np.int64)[inverse]
        codes = codes.reshape(array.shape)
        strange = np.argwhere(codes < 0)
        if len(strange):
            raise DataError(
                f"label {array[tuple(strange[0])].item()!r} in {place_at(targets, strange[0])} is out of range: the "
                f"training split knows {shown(self.values or classes)}"
            )
        return codes

    def _floats(self, targets: Array | RaggedArray) -> Array:
        array = values_of(targets)
        _check_numbers(array)
        if array.shape[1:] != self.shape and not (array.ndim == 1 and self.shape == (1,)):
            wanted = ", ".join(map(str, ("n", *self.shape)))
            raise DataError(f"the targets must have the shape ({wanted}), these have {array.shape}")
        floats = array.reshape(len(array), *self.shape)
        if self.transform:
            floats = self.transform.apply(floats)
        with np.errstate(over="ignore"):
            floats = floats.astype(self.dtype)
        done = RaggedArray(floats, targets.offsets) if isinstance(targets, RaggedArray) else floats
        _refuse_non_finite(done, f"is missing, infinite or too large for {self.dtype}")
        return floats

    def position(self, wanted: Label, key: str) -> int:
        """The place of the class that the configuration names at `key`; raises ConfigError.

        YAML takes yes, on and true without quotes for the same: the class may be called by any of them.
        Truth values are called by 0 and 1, too.
        """
        places = {text_of(name): place for place, name in enumerate(self.classes or ())}
        places |= {text_of(value): place for place, value in enumerate(self.values or ())}
        names = [text_of(wanted)]
        if isinstance(wanted, bool):
            names += [name for name in places if name.lower() in YAML_TRUTH[wanted]]
        elif names[0] not in places and wanted in (0, 1):
            names = [str(bool(wanted))]
        found = {places[name] for name in names if name in places}
        if len(found) != 1:
            raise ConfigError(f"{key} is {wanted!r}, which is no class: choose from {shown(self.classes or ())}")
        return found.pop()

    def undo(self, values: Array) -> Array:
        """A regression's outputs or encoded targets (n, k) in the targets' own units, float64 if transformed."""
        return self.transform.undo(values) if self.transform else values

    def undo_both(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """`undo` of outputs and encoded targets; those that do not fit each other are left as they are."""
        if outputs.shape != targets.shape:
            return outputs, targets
        return self.undo(outputs), self.undo(targets)

    def to_dict(self) -> dict[str, Any]:
        lists = ("classes", "values", "counts")
        as_list = {name: None if (it := getattr(self, name)) is None else list(it) for name in lists}
        return {
            "task": self.task,
            "shape": list(self.shape),
            "dtype": self.dtype,
            **as_list,
            "column": self.column,
            "transform": self.transform.to_dict() if self.transform else None,
            "threshold": self.threshold,
            "ragged": self.ragged,
            "weighted": self.weighted,
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> "Targets":
        """Raises ValueError."""
        made: Targets = checked(cls, state)
        if made.transform and not made.transform.fits(made.shape):
            raise ValueError("the targets' transform does not fit their shape, or cannot be undone")
        if made.threshold is not None and not 0 <= made.threshold <= 1:
            raise ValueError("the threshold between the classes is no probability")
        if made.counts is not None and not _are_counts(made.counts, made.classes or ()):
            raise ValueError("the classes' counts are not one for each class")
        return made


def target_array(raw: Any) -> Array | RaggedArray:
    """Raw targets as an array of truth values (n,), or of integers, floats or text (n, ...), or ragged ones.

    Raises DataError.
    """
    if is_ragged(raw):
        found = ragged_array(raw, "the targets", KINDS)
        checked_values = target_array(found.values)
        assert not isinstance(checked_values, RaggedArray)
        return RaggedArray(checked_values, found.offsets)
    try:
        array = np.asarray(raw)
    except ValueError as error:
        raise DataError(f"the targets are ragged: all must have the same shape ({error})") from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 0 or array.dtype.kind not in KINDS:
        raise DataError(
            f"the targets must be numbers or text of shape (n,) or (n, ...), got {array.dtype} {array.shape}"
        )
    if array.dtype.kind == "O":
        for row, value in enumerate(array.flat):
            if not isinstance(value, str | int | float | np.number) or value != value:
                raise DataError(f"target {value!r} in {row_at(row)} is neither a number nor text")
        return np.array([text_of(value) for value in array.flat]).reshape(array.shape)
    if array.dtype.kind == "f":
        _refuse_non_finite(array, "is missing (NaN) or infinite")
    return array.astype(np.int64) if array.dtype.kind == "b" and array.ndim > 1 else array


def learn_targets(
    training: Array | RaggedArray,
    task: Task,
    dtype: DType,
    named: Sequence[Label] | None = None,
    column: str | None = None,
    transform: TransformName = "none",
    by_position: bool = False,
) -> Targets:
    """What the training split's targets teach: the classes, `named` by the source if it knows them, or a regression's
    transform. Raises DataError.

    `by_position` says that labels of several axes are one class for each position, as ragged ones always are; else
    those (n, k) are several labels a sample.
    """
    if isinstance(training, RaggedArray):
        learnt = learn_targets(training.values, task, dtype, named, column, transform, by_position=True)
        return replace(learnt, ragged=True)
    if task == "regression":
        return _learn_regression(training, dtype, column, transform)
    if transform in LEAST:
        raise DataError(f"data.target.transform: {transform} is for a regression, the targets are classes")
    if training.ndim > 2 and not by_position:
        raise DataError(f"several labels a sample must have the shape (n, k), these have {training.shape}")
    if training.ndim > 1 and not by_position:
        if training.dtype.kind not in "iuf" or not np.isin(training, (0, 1)).all():
            raise DataError(
                "several labels a sample must be 0 or 1 each: set data.task: regression for other numbers, or use "
                "cross_entropy for a class at each position"
            )
        return Targets(task, training.shape[1:], dtype, column=column)
    if training.dtype.kind == "b":
        training = training.astype(np.int64 if named else str)
    unique, shape = np.unique(training), training.shape[1:]
    if training.dtype.kind == "f":
        fractions = training[training != np.floor(training)]
        if len(fractions):
            raise DataError(
                f"label {fractions[0]:g} is not a whole number: labels are whole numbers or "
                "text; set data.task: regression to predict numbers"
            )
        unique = unique.astype(np.int64)
    if len(unique) < 2:
        raise DataError(f"all training labels are {unique[0].item()!r}: classification needs at least two classes")
    if named is None:
        return Targets(task, shape, dtype, tuple(unique.tolist()), column=column)
    known = {text_of(name) for name in named}
    by_name = all(text_of(label) in known for label in unique.tolist())
    values = None if by_name or unique.dtype.kind == "U" else tuple(range(len(named)))
    targets = Targets(task, shape, dtype, tuple(named), values, column)
    targets.encode(training)
    return targets


def _learn_regression(training: Array, dtype: DType, column: str | None, transform: TransformName) -> Targets:
    _check_numbers(training)
    shape = training.shape[1:] or (1,)
    if transform == "none":
        return Targets("regression", shape, dtype, column=column)
    learnt = TargetTransform.learn(transform, training.reshape(-1, shape[-1]))
    return Targets("regression", shape, dtype, column=column, transform=learnt)


def _are_counts(counts: Sequence[float], classes: Sequence[Label]) -> bool:
    return len(counts) == len(classes) and min(counts) >= 0 and 0 < sum(counts) < math.inf


def _name(label: Label, classes: Vocabulary) -> str:
    names = [label] if isinstance(label, str) else classes.names(label)
    if len(names) > 1:
        raise DataError(f"label {label} is a number, and there are the classes {' and '.join(names)}: give it as text")
    return names[0]


def _check_numbers(targets: Array) -> None:
    if targets.dtype.kind not in "biuf":
        raise DataError(
            f"regression needs numbers as targets, found {targets.flat[0].item()!r}: set data.task: classification"
        )


def shown(classes: Sequence[Label]) -> str:
    """The classes for a message, the first ten of them."""
    names = ", ".join(map(repr, classes[:10]))
    return f"{len(classes)} classes: {names}{', ...' if len(classes) > 10 else ''}"


def _refuse_non_finite(targets: Array | RaggedArray, reason: str) -> None:
    bad = np.argwhere(~np.isfinite(values_of(targets)))
    if len(bad):
        raise DataError(f"the target in {place_at(targets, bad[0])} {reason}")
