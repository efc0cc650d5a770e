"""Checks of raw data before anything is fitted, as many problems at once as can be found."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dist_bp.data.arrays import values_of
from dist_bp.data.conform import conform
from dist_bp.data.inputs import Described, Inputs, absent, row_at, rows_per_block
from dist_bp.data.label_sequences import are_texts, labels_of
from dist_bp.data.media.names import names_files
from dist_bp.data.preprocess.form import Form, Part
from dist_bp.data.samples import RaggedArray
from dist_bp.data.sources.base import Dataset, Samples
from dist_bp.data.targets import target_array
from dist_bp.data.weights import weight_array
from dist_bp.errors import DataError
from dist_bp.messages import plural
from dist_bp.types import Array, DType

NO_INPUT_IS_RAGGED = (
    "the targets have different lengths, and no input has: give a target for each position of the inputs, or one for "
    "each sample"
)


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


@dataclass(frozen=True)
class Checked:
    """Samples in their common form."""

    inputs: Inputs
    targets: Array | RaggedArray
    weights: Array | None


def check_dataset(
    dataset: Dataset, allow_missing: bool, dtype: DType, aligned: bool = True
) -> tuple[Checked, dict[str, Checked]]:
    """The samples, and the source's own validation and test sets, in their common form; weights in `dtype`.

    `aligned` says that ragged targets stand at the positions of an input; else they are sequences of labels, which may
    be texts with blanks between the labels. Raises DataError for empty data, inputs,
    targets and weights of different lengths, object arrays, NaN (unless `allow_missing`), Inf, and weights that are
    none.
    """
    problems = Problems()
    main = _check_samples(dataset.samples, dataset.features, allow_missing, dtype, aligned, "", problems)
    own: dict[str, Checked] = {}
    for name, samples in dataset.own.items():
        found = _check_samples(samples, dataset.features, allow_missing, dtype, aligned, f"{name} set: ", problems)
        if found is not None:
            own[name] = found
        if (samples.weights is None) != (dataset.samples.weights is None):
            problems.lines.append(
                f"either all samples have weights or none: those of the {name} set or the others lack"
            )
    problems.check()
    assert main is not None
    return main, own


def _check_samples(
    samples: Samples,
    features: Described,
    allow_missing: bool,
    dtype: DType,
    aligned: bool,
    prefix: str,
    problems: Problems,
) -> Checked | None:
    inputs = targets = weights = None
    with problems.collected(prefix):
        inputs = conform(samples.inputs, features)
        if len(inputs) == 0:
            raise DataError("the data is empty: it has no samples")
        if not allow_missing and inputs.texts.size:
            _check_texts(inputs.texts, Form.of(features))
        for name, form in Form.of(features).inputs.items():
            _check_finite(inputs.arrays[name], name, form, allow_missing)
    with problems.collected(prefix):
        targets = target_array(samples.targets)
        if not aligned and isinstance(targets, np.ndarray) and are_texts(targets):
            targets = labels_of(targets)
    if inputs is None or targets is None:
        return None
    with problems.collected(prefix):
        check_counts(len(inputs), targets)
        if aligned and isinstance(targets, RaggedArray):
            check_aligned(inputs, targets)
        if samples.weights is not None:
            weights = weight_array(samples.weights, len(inputs), dtype)
    return Checked(inputs, targets, weights)


def check_counts(inputs: int, targets: Array | RaggedArray) -> None:
    """Raises DataError where there is not a target for each of the inputs."""
    if inputs != len(targets):
        raise DataError(f"there are {inputs} inputs but {len(targets)} targets")


def check_aligned(inputs: Inputs, targets: RaggedArray) -> None:
    """Raises DataError where ragged targets have not one for each position of an input."""
    lengths = np.diff(targets.offsets)
    ragged = {name: np.diff(one.offsets) for name, one in inputs.arrays.items() if isinstance(one, RaggedArray)}
    if not ragged:
        raise DataError(NO_INPUT_IS_RAGGED)
    if any(np.array_equal(own, lengths) for own in ragged.values()):
        return
    name, own = next(iter(ragged.items()))
    row = int(np.argmax(own != lengths))
    what = f"the input {name!r}" if name else "the input"
    raise DataError(
        f"{row_at(row)} has {plural(int(lengths[row]), 'target')}, but {plural(int(own[row]), 'position')} of {what}"
    )


def _check_finite(array: Array | RaggedArray, name: str, form: Part, allow_missing: bool) -> None:
    values = values_of(array)
    if values.dtype.kind != "f" or values.size == 0:
        return
    size = rows_per_block(values[0].size)
    for start in range(0, len(values), size):
        block = values[start : start + size]
        bad = np.isinf(block) if allow_missing else ~np.isfinite(block)
        if bad.any():
            first, *position = map(int, np.argwhere(bad)[0])
            value = float(block[first, *position])
            remedy = "mend the data, or add {type: impute} to data.preprocess" if np.isnan(value) else "mend the data"
            row = start + first
            if isinstance(array, RaggedArray):
                row = int(np.searchsorted(array.offsets, row, "right")) - 1
            where = form.name_at(tuple(position)) + (f" of the input {name!r}" if name else "")
            raise DataError(f"{where} is {value} in {row_at(row)}: {remedy}")


def _check_texts(texts: Array, form: Form) -> None:
    missing = np.argwhere(absent(texts))
    if len(missing):
        row, position = missing[0]
        if files := names_files(texts[:, position]):
            raise DataError(f"column {form.texts[position]!r} is missing in {row_at(row)}, and {files}")
        name, impute = form.texts[position], "add {type: impute, strategy: most_frequent} to data.preprocess"
        remedy = "give the text, which may be empty" if name in form.written else f"mend the data, or {impute}"
        raise DataError(f"column {name!r} is missing in {row_at(row)}: {remedy}")
