"""Checks of raw data before anything is fitted, as many problems at once as can be found."""

import contextlib
from collections.abc import Iterator

import numpy as np

from dist_bp.data.inputs import Features, Inputs, absent, chunks, conform, row_at, rows_per_block
from dist_bp.data.preprocess.base import Form
from dist_bp.data.sources.base import Dataset, Samples
from dist_bp.data.targets import target_array
from dist_bp.errors import DataError
from dist_bp.types import Array


class Problems:
    """Collects the lines of several DataErrors."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextlib.contextmanager
    def collected(self, prefix: str = "") -> Iterator[None]:
        try:
            yield
        except DataError as error:
            self.lines += [prefix + line for line in error.problems]

    def check(self) -> None:
        """Raises DataError if there are any."""
        if self.lines:
            raise DataError(self.lines)


def check_dataset(dataset: Dataset, allow_missing: bool) -> tuple[tuple[Inputs, Array], tuple[Inputs, Array] | None]:
    """Inputs and targets of the samples and of the source's own test set, in their common form.

    Raises DataError for empty data, inputs and targets of different lengths, ragged or object arrays, NaN (unless
    `allow_missing`) and Inf.
    """
    problems = Problems()
    main = _check_samples(dataset.samples, dataset.features, allow_missing, "", problems)
    test = None
    if dataset.test is not None:
        test = _check_samples(dataset.test, dataset.features, allow_missing, "test set: ", problems)
    problems.check()
    assert main is not None
    return main, test


def _check_samples(
    samples: Samples, features: Features, allow_missing: bool, prefix: str, problems: Problems
) -> tuple[Inputs, Array] | None:
    inputs = targets = None
    with problems.collected(prefix):
        inputs = conform(samples.inputs, features)
        if len(inputs) == 0:
            raise DataError("the data is empty: it has no samples")
        _check_finite(inputs, features, allow_missing)
    with problems.collected(prefix):
        targets = target_array(samples.targets)
    if inputs is None or targets is None:
        return None
    if len(inputs) != len(targets):
        problems.lines.append(f"{prefix}there are {len(inputs)} inputs but {len(targets)} targets")
    return inputs, targets


def _check_finite(inputs: Inputs, features: Features, allow_missing: bool) -> None:
    numbers = inputs.numbers
    if not allow_missing and inputs.texts.size:
        _check_texts(inputs.texts, features.categorical)
    if numbers.dtype.kind != "f" or numbers.size == 0:
        return
    form = Form.of(features)
    for rows in chunks(np.arange(len(numbers)), rows_per_block(numbers[0].size)):
        block = numbers[rows[0] : rows[-1] + 1]
        bad = np.isinf(block) if allow_missing else ~np.isfinite(block)
        if bad.any():
            row, *position = map(int, np.argwhere(bad)[0])
            value = float(block[row, *position])
            remedy = "mend the data, or add {type: impute} to data.preprocess" if np.isnan(value) else "mend the data"
            where = form.name_at(tuple(position))
            raise DataError(f"{where} is {value} in {row_at(rows[0] + row)}: {remedy}")


def _check_texts(texts: Array, names: tuple[str, ...]) -> None:
    missing = np.argwhere(absent(texts))
    if len(missing):
        row, position = missing[0]
        raise DataError(
            f"column {names[position]!r} is missing in {row_at(row)}: mend the data, or add "
            "{type: impute, strategy: most_frequent} to data.preprocess"
        )
