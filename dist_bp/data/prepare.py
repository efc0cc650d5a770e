"""From a source to prepared data: read, check, split, fit, transform, write; done once for the same content."""

import math
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from dist_bp.data.checks import Problems, check_dataset
from dist_bp.data.example import write_example
from dist_bp.data.files import DigestCache, digest_of
from dist_bp.data.inputs import Inputs, chunks, rows_per_block
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.prepared import FORMAT, Prepared, write_records
from dist_bp.data.preprocess.base import Preprocessor
from dist_bp.data.preprocess.impute import Impute
from dist_bp.data.sources.base import Dataset, Source
from dist_bp.data.split import Split, split_indices
from dist_bp.data.target_transform import TransformName, check_domain
from dist_bp.data.targets import learn_targets
from dist_bp.data.task import TaskHint, infer_task
from dist_bp.errors import CapacityError, DataError
from dist_bp.types import Array, DType, Shape, Task

Parts = dict[str, tuple[Inputs, Array, Array]]
"""For each split: where its inputs come from, the rows of them, and its finished targets."""

LOCK_SECONDS = 3600.0


def prepare(
    source: Source,
    split: Split,
    preprocessors: Sequence[Preprocessor],
    seed: int,
    dtype: DType,
    directory: str | Path,
    task: Task | TaskHint | None = None,
    transform: TransformName = "standardize",
) -> Prepared:
    """Prepared data of `source` in `directory`, made now or found there.

    It is made under a file lock, aside, and renamed when complete, so that any number of processes may ask for it
    at once; a damaged one is made anew. A source with a test set of its own keeps it, and `split.test` has no effect.
    `task` is what the configuration says, or what follows from it; None: told by the targets. `transform` is that of
    a regression's targets.
    Raises DataError for data that cannot be read or trained on, CapacityError where the disk is too small.
    """
    from filelock import FileLock, Timeout

    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"data.prepared: the folder {str(directory)!r} cannot be made: {error.strerror}") from error
    opened = source.open(DigestCache(directory))
    digest = digest_of(
        {
            "format": FORMAT,
            "source": opened.digest,
            "split": asdict(split),
            "seed": seed,
            "steps": [[one.name, asdict(one)] for one in preprocessors],  # type: ignore[call-overload]
            "dtype": dtype,
            "task": task.task if isinstance(task, TaskHint) else task,
            "transform": transform,
        }
    )
    home = directory / digest[:16]
    if (prepared := _found(home)) is not None:
        return prepared
    try:
        with FileLock(directory / f"{home.name}.lock", timeout=LOCK_SECONDS):
            if (prepared := _found(home)) is not None:
                return prepared
            dataset = opened.load()
            parts, pipeline = _fit(dataset, split, preprocessors, seed, dtype, task, transform)
            aside = directory / f"{home.name}.partial"
            _write(aside, parts, pipeline)
            write_example(aside, dataset.samples.inputs)
            splits = {name: len(rows) for name, (_, rows, _) in parts.items()}
            write_records(aside, digest, opened.digest, pipeline, dataset.test is not None, splits, dataset.notes)
            _publish(aside, home)
    except Timeout as error:
        raise DataError(
            f"data.prepared: another process has been preparing this data in {str(directory)!r} for "
            f"{LOCK_SECONDS / 60:g} minutes: wait for it, or end it"
        ) from error
    except OSError as error:
        raise DataError(f"data.prepared: cannot write to {str(directory)!r}: {error.strerror or error}") from error
    return Prepared.open(home)


def _found(home: Path) -> Prepared | None:
    try:
        return Prepared.open(home)
    except DataError:
        return None


def _fit(
    dataset: Dataset,
    split: Split,
    preprocessors: Sequence[Preprocessor],
    seed: int,
    dtype: DType,
    task: Task | TaskHint | None,
    transform: TransformName,
) -> tuple[Parts, Pipeline]:
    allow_missing = any(isinstance(one, Impute) for one in preprocessors)
    (inputs, targets), test = check_dataset(dataset, allow_missing)
    if task is None or isinstance(task, TaskHint):
        task = infer_task(targets, task, named=dataset.classes is not None)
    if task == "regression":
        check_domain(transform, targets)
    if test is not None:
        split = replace(split, test=0.0)
    labels = targets if task == "classification" and targets.ndim == 1 else None
    indices = split_indices(len(inputs), split, seed, labels)
    coder = learn_targets(targets[indices["train"]], task, dtype, dataset.classes, dataset.column, transform)
    coded = coder.encode(targets)
    parts: Parts = {name: (inputs, rows, coded[rows]) for name, rows in indices.items()}
    if test is not None:
        test_inputs, test_targets = test
        problems = Problems()
        with problems.collected("test set: "):
            parts["test"] = test_inputs, np.arange(len(test_inputs)), coder.encode(test_targets)
        problems.check()
    pipeline = Pipeline.fit(preprocessors, dataset.features, inputs, indices["train"], coder, dtype)
    return parts, pipeline


def _write(directory: Path, parts: Parts, pipeline: Pipeline) -> None:
    """The arrays of all splits, a block of rows at a time."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    shape, dtype = pipeline.input_shape, np.dtype(pipeline.dtype)
    sample_bytes = math.prod(shape) * dtype.itemsize
    needed = sum(len(rows) * sample_bytes + targets.nbytes for _, rows, targets in parts.values())
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise CapacityError(
            f"data.prepared: the prepared data needs {needed / 2**30:.1f} GiB, {str(directory.parent)!r} has "
            f"{free / 2**30:.1f} GiB free: give another folder"
        )
    for name, (inputs, rows, targets) in parts.items():
        (directory / name).mkdir()
        raw_size = inputs.numbers[0].size + 8 * inputs.texts.shape[1]
        at_a_time = rows_per_block(max(raw_size, math.prod(shape)))
        blocks = (pipeline.apply(inputs, some) for some in chunks(rows, at_a_time))
        _write_array(directory / name / "x.npy", (len(rows), *shape), dtype, blocks)
        _write_array(directory / name / "y.npy", targets.shape, targets.dtype, [targets])


def _write_array(path: Path, shape: Shape, dtype: np.dtype[Any], blocks: Iterable[Array]) -> None:
    """A .npy file. It is written, not mapped: a full disk is then an error and not a fatal signal."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)


def _publish(aside: Path, home: Path) -> None:
    """Renames a complete directory, once it is safely on the disk, to its final name."""
    for path in sorted(aside.rglob("*"), reverse=True):
        _sync(path)
    _sync(aside)
    shutil.rmtree(home, ignore_errors=True)
    aside.rename(home)
    _sync(home.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
