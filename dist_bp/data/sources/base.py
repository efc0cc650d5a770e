"""What every source gives."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dist_bp.component import Component
from dist_bp.data.arrays import is_ragged, numeric_array, ragged_array
from dist_bp.data.files import DigestCache, check_files, digest_of
from dist_bp.data.inputs import ONLY, Described, Features, Raw, by_name, is_named
from dist_bp.data.targets import Label
from dist_bp.errors import DataError, OptionError


@dataclass(frozen=True)
class Samples:
    """Raw inputs, see `Raw`, raw targets (n, ...) or ragged, None where there are none, and weights (n,), None where
    all samples count alike. `names` (n,) are those of samples that are read from a file each."""

    inputs: Raw
    targets: Any
    weights: Any = None
    names: Sequence[str] | None = None


@dataclass(frozen=True)
class Dataset:
    """Everything a source knows; `classes` are names of the labels and `column` that of a table's target.

    `notes` are lines that training says of the data. `problems` of image files are told together with those that are
    found when they are decoded.
    """

    samples: Samples
    features: Described
    test: Samples | None = None
    classes: tuple[Label, ...] | None = None
    column: str | None = None
    notes: tuple[str, ...] = ()
    validation: Samples | None = None
    problems: tuple[str, ...] = ()

    @property
    def own(self) -> dict[str, Samples]:
        """The sets that are not drawn from the samples, by the name of the split."""
        sets = {"validation": self.validation, "test": self.test}
        return {name: samples for name, samples in sets.items() if samples is not None}


@dataclass(frozen=True)
class Opened:
    """A source whose content is known by its digest; `load` reads it and may raise DataError.

    `held`: the content is in memory, so that it cannot change between the digest and `load`.
    """

    digest: str
    load: Callable[[], Dataset]
    held: bool = False


class Source(Component):
    """Where raw data comes from."""

    @abstractmethod
    def open(self, cache: DigestCache) -> Opened:
        """Raises DataError where the data is not there."""


def open_files(
    kind: str,
    paths: tuple[str | None, ...],
    options: dict[str, Any],
    cache: DigestCache,
    load: Callable[[], Dataset],
) -> Opened:
    """The digest of a source of files: of their bytes and of the options that change what is read from them."""
    check_files(*paths)
    digests = [None if path is None else cache.of_file(path) for path in paths]
    return Opened(digest_of([kind, digests, options]), load)


def described(inputs: Any, what: str, like: Described | None = None) -> tuple[Raw, Described]:
    """Plain arrays of numbers, one or several by their names, and what a sample is made of.

    Inputs that are ragged in `like` are so here, even if all samples happen to have one length. Raises DataError for
    object or lone arrays.
    """
    ragged = {name for name, one in by_name(like or {}).items() if one.ragged}
    if not is_named(inputs):
        return _described(inputs, f"the inputs of {what}", ONLY in ragged)
    if not inputs or not all(isinstance(name, str) and name for name in inputs):
        raise DataError(f"the inputs of {what} need a name each")
    found = {
        name: _described(values, f"the input {name!r} of {what}", name in ragged) for name, values in inputs.items()
    }
    return {name: raw for name, (raw, _) in found.items()}, {name: one for name, (_, one) in found.items()}


def _described(values: Any, what: str, ragged: bool) -> tuple[Raw, Features]:
    if ragged or is_ragged(values):
        found = ragged_array(values, what)
        return found, Features(found.values.shape[1:], ragged=True)
    array = numeric_array(values, what)
    if array.ndim == 0 or 0 in array.shape[1:]:
        raise DataError(f"{what} need the shape (samples, ...), got {array.shape}")
    if array.ndim == 1:
        array = array[:, np.newaxis]
    return array, Features(array.shape[1:])


def dataset_of_arrays(main: Samples, test: Samples | None, what: str) -> Dataset:
    """A dataset of plain arrays; the test set's samples must have the form of the others."""
    inputs, features = described(main.inputs, what)
    dataset = Dataset(replace(main, inputs=inputs), features)
    if test is None:
        return dataset
    inputs, others = described(test.inputs, f"the test set of {what}", features)
    if (wanted := _shapes(features)) != (found := _shapes(others)):
        raise DataError(f"the test set of {what} has samples of shape {found}, the others {wanted}")
    return replace(dataset, test=replace(test, inputs=inputs))


def _shapes(features: Described) -> str:
    if isinstance(features, Features):
        return _shape(features)
    return ", ".join(f"{name} {_shape(one)}" for name, one in features.items())


def _shape(one: Features) -> str:
    """With the length of a ragged sample."""
    return f"({', '.join(['any', *map(str, one.shape)])})" if one.ragged else str(one.shape)


def check_pair(option: str, value: str | None, partner: str, other: str | None) -> None:
    """Raises OptionError where only one of two options is given."""
    if (value is None) != (other is None):
        raise OptionError(option, f"must be given together with {partner}")
