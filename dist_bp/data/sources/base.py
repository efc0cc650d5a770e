"""What every source gives."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dist_bp.component import Component
from dist_bp.data.files import DigestCache, check_files, digest_of
from dist_bp.data.inputs import Features, Raw, numeric_array
from dist_bp.data.targets import Label
from dist_bp.errors import DataError, OptionError


@dataclass(frozen=True)
class Samples:
    """Raw inputs, an array (n, ...) or a DataFrame, and raw targets (n,) or (n, k), None where there are none."""

    inputs: Raw
    targets: Any


@dataclass(frozen=True)
class Dataset:
    """Everything a source knows; `classes` are names of the labels and `column` that of a table's target.

    `notes` are lines that training says of the data.
    """

    samples: Samples
    features: Features
    test: Samples | None = None
    classes: tuple[Label, ...] | None = None
    column: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """A source whose content is known by its digest; `load` reads it and may raise DataError."""

    digest: str
    load: Callable[[], Dataset]


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


def array_samples(inputs: Any, targets: Any, what: str) -> tuple[Samples, Features]:
    """Samples of a plain array of numbers; raises DataError for ragged, object or lone arrays."""
    array = numeric_array(inputs, f"the inputs of {what}")
    if array.ndim == 0 or 0 in array.shape[1:]:
        raise DataError(f"the inputs of {what} need the shape (samples, ...), got {array.shape}")
    if array.ndim == 1:
        array = array[:, np.newaxis]
    return Samples(array, targets), Features(array.shape[1:])


def dataset_of_arrays(main: Sequence[Any], test: Sequence[Any] | None, what: str) -> Dataset:
    """A dataset of plain arrays (inputs, targets); the test set's samples must have the shape of the others."""
    samples, features = array_samples(main[0], main[1], what)
    if test is None:
        return Dataset(samples, features)
    test_samples, test_features = array_samples(test[0], test[1], f"the test set of {what}")
    if test_features != features:
        raise DataError(
            f"the test set of {what} has samples of shape {test_features.shape}, the others {features.shape}"
        )
    return Dataset(samples, features, test_samples)


def check_pair(option: str, value: str | None, partner: str, other: str | None) -> None:
    """Raises OptionError where only one of two options is given."""
    if (value is None) != (other is None):
        raise OptionError(option, f"must be given together with {partner}")
