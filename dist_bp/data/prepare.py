"""From a source to prepared data: read, check, split, fit, transform, write; done once for the same content."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dist_bp.data.checks import Problems, check_dataset
from dist_bp.data.example import ROWS, write_example
from dist_bp.data.files import DigestCache, digest_of
from dist_bp.data.media.decoding import decoded
from dist_bp.data.media.files import media_files
from dist_bp.data.media.raw import example_files
from dist_bp.data.parts import Part, Parts, taken, write_parts
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.prepared import FORMAT, Prepared, write_names, write_records
from dist_bp.data.preprocess.base import Preprocessor
from dist_bp.data.preprocess.impute import Impute
from dist_bp.data.rare import rare_classes
from dist_bp.data.sources.base import Dataset, Opened, Source
from dist_bp.data.sources.lines import table_of
from dist_bp.data.split import Split, split_indices
from dist_bp.data.target_transform import TransformName, check_domain
from dist_bp.data.targets import LabelsPer, learn_targets
from dist_bp.data.task import TaskHint, infer_task
from dist_bp.data.text.long import LongText
from dist_bp.data.text.preparing import Made, prepare_text
from dist_bp.data.weights import check_some
from dist_bp.errors import DataError, Interrupted
from dist_bp.media.decoding import HERE, Decoding
from dist_bp.types import DType, Task

if TYPE_CHECKING:
    from dist_bp.media.decoder import Decoder


LOCK_SECONDS = 3600.0
DIGEST = re.compile("[0-9a-f]{16}")
"""How the folders of prepared data are called."""
INTERRUPTED = "interrupted while the data was prepared; nothing is lost: run the same command again"


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
    `decoding` says who decodes files, and hears of it.
    Raises DataError for data that cannot be read or trained on, CapacityError where the disk is too small, Interrupted
    at Ctrl-C.
    """
    asked = _Asked(source, split, preprocessors, seed, dtype, task, transform, labels, decoding)
    try:
        return _prepared(asked, Path(directory))
    except KeyboardInterrupt:
        raise Interrupted(INTERRUPTED) from None


def _prepared(asked: "_Asked", directory: Path) -> Prepared:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"data.prepared: the folder {str(directory)!r} cannot be made: {error.strerror}") from error
    cache = DigestCache(directory)
    opened = asked.source.open(cache)
    digest = asked.digest(opened, cache)
    home = directory / digest[:16]
    if (prepared := _found(home)) is not None:
        return prepared
    with _locked(home):
        if (prepared := _found(home)) is not None:
            return prepared
        with _aside(home) as aside:
            asked.make(opened, digest, aside)
            if not opened.held and asked.digest(asked.source.open(cache), cache) != digest:
                raise DataError("the data changed while it was read: start again when nobody writes to it")
            _publish(aside, home)
    return Prepared.open(home, checked=True)


@dataclass(frozen=True)
class _Asked:
    """What data is to be prepared, and how."""

    source: Source
    split: Split
    steps: Sequence[Preprocessor]
    seed: int
    dtype: DType
    task: Task | TaskHint | None
    transform: TransformName
    labels: LabelsPer
    decoding: Decoding

    def digest(self, opened: Opened, cache: DigestCache) -> str:
        """Of all that decides what is prepared."""
        return digest_of(
            {
                "format": FORMAT,
                "source": opened.digest,
                "split": asdict(self.split),
                "seed": self.seed,
                "steps": [[one.name, one.content(cache)] for one in self.steps],
                "dtype": self.dtype,
                "task": self.task.task if isinstance(self.task, TaskHint) else self.task,
                "transform": self.transform,
                "by_position": self.labels != "sample",
                **({"labels": self.labels} if self.labels == "sequence" else {}),
            }
        )

    def make(self, opened: Opened, digest: str, aside: Path) -> None:
        """Reads, fits, transforms and writes all of it into the folder `aside`."""
        dataset = opened.load()
        raw = dataset.samples.inputs
        if isinstance(raw, LongText):
            made = prepare_text(aside, dataset, self.split, self.steps, self.dtype)
            assert made.pipeline.tokenizer
            raw = table_of(raw.first_lines(ROWS, made.pipeline.tokenizer))
        else:
            scratch = aside.with_suffix(".pixels")
            with decoded(dataset, self.steps, scratch, self.decoding) as (dataset, decoder, steps):
                parts, pipeline = self.fit(dataset, steps, decoder)
                found = write_parts(aside, parts, pipeline)
                pipeline = pipeline.knowing(found["train"])
                notes = [*dataset.notes, *rare_classes(parts, pipeline.targets.classes)]
                for name, unseen in found.items():
                    notes += unseen.lines(f"of the {name} split ")
                if self.labels == "sequence":
                    for name, part in parts.items():
                        write_names(aside / name, part.rows, dataset.own.get(name, dataset.samples).names)
                if decoder and media_files(raw) is not None:
                    raw = example_files(raw, decoder, ROWS)
            made = Made(pipeline, {name: len(part.rows) for name, part in parts.items()}, notes)
        write_example(aside, raw)
        own_test = dataset.test is not None
        write_records(aside, digest, opened.digest, made.pipeline, own_test, made.splits, made.notes)

    def fit(
        self, dataset: Dataset, steps: Sequence[Preprocessor], decoder: "Decoder | None"
    ) -> tuple[dict[str, Part], Pipeline]:
        """Checks and divides the samples, and learns what targets and steps need of the training split."""
        split, allow_missing = self.split, any(isinstance(one, Impute) for one in steps)
        main, own = check_dataset(dataset, allow_missing, self.dtype, aligned=self.labels != "sequence")
        targets = main.targets
        task = self.task
        if task is None or isinstance(task, TaskHint):
            task = infer_task(targets, task, named=dataset.classes is not None)
        if task == "regression":
            check_domain(self.transform, targets)
        if "test" in own:
            split = replace(split, test=0.0)
        if "validation" in own:
            split = replace(split, validation=0.0)
        labels = targets if task == "classification" and isinstance(targets, np.ndarray) and targets.ndim == 1 else None
        indices = split_indices(len(main.inputs), split, self.seed, labels)
        training = taken(targets, indices["train"])
        coder = learn_targets(
            training, task, self.dtype, dataset.classes, dataset.column, self.transform, self.labels != "sample"
        )
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
        pipeline = Pipeline.fit(steps, dataset.features, main.inputs, indices["train"], coder, self.dtype, decoder)
        return parts, pipeline


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Whoever prepares data in the folder `home` is alone; raises DataError where others do not end, or the folder of
    prepared data takes no files."""
    from filelock import FileLock, Timeout

    directory = home.parent
    try:
        _remove_leftovers(directory)
        with FileLock(home.with_suffix(".lock"), timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise DataError(
            f"data.prepared: another process has been preparing this data in {str(directory)!r} for "
            f"{LOCK_SECONDS / 60:g} minutes: wait for it, or end it"
        ) from error
    except OSError as error:
        if error.strerror is None:
            raise
        raise DataError(f"data.prepared: cannot write to {str(directory)!r}: {error.strerror}") from error


@contextmanager
def _aside(home: Path) -> Iterator[Path]:
    """An empty folder beside `home`, which is gone at the end, however that comes."""
    aside = home.with_suffix(".partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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
