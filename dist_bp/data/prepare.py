"""From a source to prepared data: read, check, split, fit, transform, write; done once for the same content."""

import math
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dist_bp.data.checks import Checked, Problems, check_dataset
from dist_bp.data.example import ROWS, write_example
from dist_bp.data.files import DigestCache, digest_of
from dist_bp.data.images.decoding import decoded
from dist_bp.data.images.files import image_files
from dist_bp.data.images.raw import example_files
from dist_bp.data.inputs import ONLY, Inputs, chunks, rows_per_block
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.prepared import FORMAT, INPUTS, TARGETS, WEIGHTS, Prepared, write_records
from dist_bp.data.preprocess.base import Preprocessor
from dist_bp.data.preprocess.impute import Impute
from dist_bp.data.samples import RaggedArray
from dist_bp.data.sources.base import Dataset, Source
from dist_bp.data.sources.lines import table_of
from dist_bp.data.split import Split, split_indices
from dist_bp.data.storing import write_fields
from dist_bp.data.target_transform import TransformName, check_domain
from dist_bp.data.targets import LabelsPer, learn_targets
from dist_bp.data.task import TaskHint, infer_task
from dist_bp.data.text.long import LongText
from dist_bp.data.text.preparing import Made, prepare_text
from dist_bp.data.unseen import Unseen
from dist_bp.data.weights import check_some
from dist_bp.errors import CapacityError, DataError
from dist_bp.images.decoding import HERE, Decoding
from dist_bp.types import Array, DType, Task

if TYPE_CHECKING:
    from dist_bp.images.decoder import Decoder


@dataclass(frozen=True)
class Part:
    """A split: where its inputs come from, the rows of them, its finished targets and weights."""

    inputs: Inputs
    rows: Array
    targets: Array | RaggedArray
    weights: Array | None

    @classmethod
    def of(cls, samples: Checked, rows: Array, coded: Array | RaggedArray) -> "Part":
        weights = None if samples.weights is None else samples.weights[rows]
        return cls(samples.inputs, rows, taken(coded, rows), weights)


Parts = dict[str, Part]

LOCK_SECONDS = 3600.0
OFFSET_BYTES = 8
FIRST = 64
"""So many samples tell how large the others are about."""
DIGEST = re.compile("[0-9a-f]{16}")
"""How the folders of prepared data are called."""


def prepare(
    source: Source,
    split: Split,
    preprocessors: Sequence[Preprocessor],
    seed: int,
    dtype: DType,
    directory: str | Path,
    task: Task | TaskHint | None = None,
    transform: TransformName = "standardize",
    labels: LabelsPer = "sample",
    decoding: Decoding = HERE,
) -> Prepared:
    """Prepared data of `source` in `directory`, made now or found there.

    It is made under a file lock, aside, and renamed when complete, so that any number of processes may ask for it
    at once; a damaged one is made anew. A source with a test set of its own keeps it, and `split.test` has no effect.
    `task` is what the configuration says, or what follows from it; None: told by the targets. `transform` is that of
    a regression's targets; `labels` says what labels of several axes are: several of a sample, or a class for
    each position, or a sequence of classes in any number.
    `decoding` says who decodes images, and hears of it.
    Raises DataError for data that cannot be read or trained on, CapacityError where the disk is too small.
    """
    from filelock import FileLock, Timeout

    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"data.prepared: the folder {str(directory)!r} cannot be made: {error.strerror}") from error
    cache = DigestCache(directory)
    opened = source.open(cache)
    digest = digest_of(
        {
            "format": FORMAT,
            "source": opened.digest,
            "split": asdict(split),
            "seed": seed,
            "steps": [[one.name, one.content(cache)] for one in preprocessors],
            "dtype": dtype,
            "task": task.task if isinstance(task, TaskHint) else task,
            "transform": transform,
            "by_position": labels != "sample",
            **({"labels": labels} if labels == "sequence" else {}),
        }
    )
    home = directory / digest[:16]
    if (prepared := _found(home)) is not None:
        return prepared
    try:
        _remove_leftovers(directory)
        with FileLock(directory / f"{home.name}.lock", timeout=LOCK_SECONDS):
            if (prepared := _found(home)) is not None:
                return prepared
            dataset = opened.load()
            raw = dataset.samples.inputs
            aside = directory / f"{home.name}.partial"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            if isinstance(raw, LongText):
                made = prepare_text(aside, dataset, split, preprocessors, dtype)
                raw = table_of(raw.first_lines(ROWS))
            else:
                with decoded(dataset, preprocessors, directory / f"{home.name}.pixels", decoding) as (
                    dataset,
                    decoder,
                    steps,
                ):
                    parts, pipeline = _fit(dataset, split, steps, seed, dtype, task, transform, labels, decoder)
                    notes = [*dataset.notes, *_write(aside, parts, pipeline)]
                    if decoder and image_files(raw) is not None:
                        raw = example_files(raw, decoder, ROWS)
                made = Made(pipeline, {name: len(part.rows) for name, part in parts.items()}, notes)
            write_example(aside, raw)
            write_records(
                aside, digest, opened.digest, made.pipeline, dataset.test is not None, made.splits, made.notes
            )
            _publish(aside, home)
    except Timeout as error:
        raise DataError(
            f"data.prepared: another process has been preparing this data in {str(directory)!r} for "
            f"{LOCK_SECONDS / 60:g} minutes: wait for it, or end it"
        ) from error
    except OSError as error:
        raise DataError(f"data.prepared: cannot write to {str(directory)!r}: {error.strerror or error}") from error
    return Prepared.open(home)


def _remove_leftovers(directory: Path) -> None:
    """Removes what preparations that were killed left; one that is under way holds its lock."""
    from filelock import FileLock, Timeout

    for path in [*directory.glob("*.pixels"), *directory.glob("*.partial")]:
        if not DIGEST.fullmatch(path.stem):
            continue
        with suppress(Timeout), FileLock(path.with_suffix(".lock"), timeout=0):
            shutil.rmtree(path, ignore_errors=True)


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
    labels_per: LabelsPer,
    decoder: "Decoder | None",
) -> tuple[Parts, Pipeline]:
    allow_missing = any(isinstance(one, Impute) for one in preprocessors)
    main, own = check_dataset(dataset, allow_missing, dtype, aligned=labels_per != "sequence")
    targets = main.targets
    if task is None or isinstance(task, TaskHint):
        task = infer_task(targets, task, named=dataset.classes is not None)
    if task == "regression":
        check_domain(transform, targets)
    if "test" in own:
        split = replace(split, test=0.0)
    if "validation" in own:
        split = replace(split, validation=0.0)
    labels = targets if task == "classification" and isinstance(targets, np.ndarray) and targets.ndim == 1 else None
    indices = split_indices(len(main.inputs), split, seed, labels)
    training = taken(targets, indices["train"])
    coder = learn_targets(training, task, dtype, dataset.classes, dataset.column, transform, labels_per != "sample")
    coded = coder.encode(targets)
    parts: Parts = {name: Part.of(main, rows, coded) for name, rows in indices.items()}
    problems = Problems()
    for name, one in own.items():
        with problems.collected(f"{name} set: "):
            parts[name] = Part.of(one, np.arange(len(one.inputs)), coder.encode(one.targets))
    for name, part in parts.items():
        with problems.collected():
            check_some(part.weights, name)
    problems.check()
    pipeline = Pipeline.fit(preprocessors, dataset.features, main.inputs, indices["train"], coder, dtype, decoder)
    return parts, pipeline


def taken(targets: Array | RaggedArray, rows: Array) -> Array | RaggedArray:
    """The targets at indices `rows`."""
    return targets.taken(rows) if isinstance(targets, RaggedArray) else targets[rows]


def _write(directory: Path, parts: Parts, pipeline: Pipeline) -> list[str]:
    """Writes the arrays of all splits, a block of rows at a time; a line for each with categories that training has
    not seen."""
    needed = sum(_bytes(part, pipeline) for part in parts.values())
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise CapacityError(
            f"data.prepared: the prepared data needs {needed / 2**30:.1f} GiB, {str(directory.parent)!r} has "
            f"{free / 2**30:.1f} GiB free: give another folder"
        )
    notes = []
    for name, part in parts.items():
        unseen = Unseen()
        folder = directory / name
        folder.mkdir()
        at_a_time = rows_per_block(max(part.inputs.width + 8 * part.inputs.texts.shape[1], _width(part, pipeline)))
        blocks = (
            pipeline.apply(part.inputs, some, as_bytes=True, unseen=unseen) for some in chunks(part.rows, at_a_time)
        )
        write_fields(folder / INPUTS, blocks)
        write_fields(folder / TARGETS, [part.targets])
        if part.weights is not None:
            write_fields(folder / WEIGHTS, [part.weights])
        notes += unseen.lines(f"of the {name} split ")
    return notes


def _width(part: Part, pipeline: Pipeline) -> int:
    """Numbers of a finished sample, those of ragged inputs at their average length."""
    made = pipeline.apply(part.inputs, part.rows[:FIRST])
    fields = [*made.values()] if isinstance(made, dict) else [made]
    sizes = [(one.values if isinstance(one, RaggedArray) else one).size / max(len(one), 1) for one in fields]
    return part.inputs.width + math.ceil(sum(sizes))


def _bytes(part: Part, pipeline: Pipeline) -> int:
    """What a split needs on the disk, but for the heads of its files."""
    made = pipeline.apply(part.inputs, part.rows[:FIRST], as_bytes=True)
    needed = _stored_bytes(part.targets) + (0 if part.weights is None else part.weights.nbytes)
    for name, one in made.items() if isinstance(made, dict) else [(ONLY, made)]:
        if not isinstance(one, RaggedArray):
            needed += len(part.rows) * one[:1].nbytes
            continue
        raw, size = part.inputs.arrays.get(name), one.values.dtype.itemsize * math.prod(one.values.shape[1:])
        positions = len(part.rows) * len(one.values) / max(len(one), 1)  # of those that are made of text
        if isinstance(raw, RaggedArray):
            positions = int(raw.lengths(part.rows).sum())
        needed += int(positions * size) + (len(part.rows) + 1) * OFFSET_BYTES
    return needed


def _stored_bytes(stored: Array | RaggedArray) -> int:
    return stored.values.nbytes + stored.offsets.nbytes if isinstance(stored, RaggedArray) else stored.nbytes


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
