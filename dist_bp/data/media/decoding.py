"""From a source of files to one of arrays: decoded once, checked, and laid down in a file, a block at a time."""

import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp.data.checks import NO_INPUT_IS_RAGGED, Problems, check_counts
from dist_bp.data.inputs import Described, Features, Raw, array_in, is_named, samples_of
from dist_bp.data.media.files import MediaFiles, media_files, named
from dist_bp.data.media.medium import Medium, medium_of
from dist_bp.data.preprocess.base import Preprocessor
from dist_bp.data.preprocess.media_step import MediaStep
from dist_bp.data.samples import RaggedArray
from dist_bp.data.sources.base import Dataset, Samples
from dist_bp.data.targets import target_array
from dist_bp.data.weights import weight_array
from dist_bp.errors import CapacityError, DataError
from dist_bp.media.decoder import Unlike
from dist_bp.media.decoding import Decoding
from dist_bp.types import Array

if TYPE_CHECKING:
    from dist_bp.data.media.findings import Findings
    from dist_bp.media.crew import Decoded
    from dist_bp.media.decoder import Decoder

    Named = tuple[str, Decoded]
    """What messages call a file, and what became of it."""

OPTION = "data.source.unreadable: skip"


@contextmanager
def decoded(
    dataset: Dataset, steps: Sequence[Preprocessor], scratch: Path, decoding: Decoding
) -> "Iterator[tuple[Dataset, Decoder | None, Sequence[Preprocessor]]]":
    """The dataset with arrays in place of files, what decodes others like them, and the steps that remain; the dataset
    and the steps themselves, and None, where it has no files. What cannot be read and is skipped is left out of all
    inputs.

    Arrays of uint8 (n, height, width) or (n, height, width, channels) are images where a step for images asks for
    them. The arrays lie in the folder `scratch`, which is removed at the end. Raises DataError for files that cannot
    be read, or are not alike, CapacityError where the disk is too small.
    """
    first = next((place for place, step in enumerate(steps) if not isinstance(step, MediaStep)), len(steps))
    mine = [step for step in steps[:first] if isinstance(step, MediaStep)]
    files = media_files(dataset.samples.inputs)
    if not mine and files is None:
        yield dataset, None, steps
        return
    medium = medium_of(mine[0].files if files is None else files.kind.many)
    _check_steps(mine, medium)
    decoder = medium.decoder([step.operation for step in mine])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield *_arrays_of(dataset, medium, decoder, scratch, decoding), steps[first:]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_steps(steps: Sequence[MediaStep], medium: Medium) -> None:
    problems = [
        f"{step.label} is for {step.files}, and the source gives {medium.kind.many}"
        for step in steps
        if step.files != medium.kind.many
    ]
    problems = problems or medium.problems([step.operation for step in steps])
    if problems:
        raise DataError(problems)


def _arrays_of(
    dataset: Dataset, medium: Medium, decoder: "Decoder", scratch: Path, decoding: Decoding
) -> "tuple[Dataset, Decoder]":
    _check_counts({"": dataset.samples, **{f"{name} set: ": samples for name, samples in dataset.own.items()}}, medium)
    files = media_files(dataset.samples.inputs)
    findings = medium.findings(files is not None and files.unreadable == "skip", OPTION, decoder)
    made = {}
    for name, samples in {"samples": dataset.samples, **dataset.own}.items():
        with closing(_decoded(samples.inputs, medium, decoder, decoding)) as found:
            made[name] = _laid_down(samples, scratch / name, medium, decoder, found, findings)
    if problems := [*dataset.problems, *findings.problems(), *_gone(dataset, made["samples"], findings)]:
        raise DataError(problems)
    notes = (*dataset.notes, *findings.notes)
    features = _described(dataset.features, made["samples"].inputs, medium)
    test, validation = made.get("test"), made.get("validation")
    dataset = replace(dataset, samples=made["samples"], test=test, validation=validation)
    return replace(dataset, features=features, notes=notes), medium.after_training(decoder, findings)


def _gone(dataset: Dataset, made: Samples, findings: "Findings") -> list[str]:
    """A line for each class of which all files were skipped."""
    if not findings.skipped:
        return []
    before, here = ({*np.unique(one.targets).tolist()} for one in (dataset.samples, made))
    gone = [name for name in dataset.classes or () if name in before and name not in here]
    return [f"the class {name!r} has no {findings.kind.noun} that can be read: remove it" for name in gone]


def _described(features: Described, inputs: Raw, medium: Medium) -> Described:
    if isinstance(features, Features):
        return medium.features(inputs)
    name, _ = array_in(features)
    return {**features, name: medium.features(inputs[name])}


def _check_counts(sets: dict[str, Samples], medium: Medium) -> None:
    """Raises DataError for sets without a target and a weight for each file, before time is spent on those."""
    problems = Problems()
    for prefix, samples in sets.items():
        with problems.collected(prefix):
            targets, count = target_array(samples.targets), samples_of(samples.inputs)
            check_counts(count, targets)
            if isinstance(targets, RaggedArray) and not medium.ragged:
                raise DataError(NO_INPUT_IS_RAGGED)
            if samples.weights is not None:
                weight_array(samples.weights, count, "float64")
    problems.check()


def _laid_down(
    samples: Samples, path: Path, medium: Medium, decoder: "Decoder", found: "Iterator[Named]", findings: "Findings"
) -> Samples:
    """The samples with the arrays of those files that are samples, in the file `path`."""
    kept: list[bool] = []
    names: list[str] = []
    lengths: list[int] = []
    like: Array | None = None
    with path.open("wb") as file:
        for name, one in found:
            kept.append(findings.take(name, one))
            if not kept[-1] or isinstance(one, Unlike):
                continue
            array, _ = decoder.packed(one)
            names.append(name)
            if like is None:
                like = array[:0]
                if not medium.ragged:
                    _check_disk(path, samples_of(samples.inputs) * array.nbytes, medium)
            lengths.append(len(array))
            file.write(np.ascontiguousarray(array).data)
    arrays, mask = _mapped(path, lengths, like, medium), np.array(kept, bool)
    inputs: Raw = arrays
    if is_named(samples.inputs):
        raw = samples.inputs.items()
        inputs = {name: arrays if isinstance(one, MediaFiles) else one[mask] for name, one in raw}
    weights = None if samples.weights is None else np.asarray(samples.weights)[mask]
    targets = target_array(samples.targets)
    targets = targets.taken(np.flatnonzero(mask)) if isinstance(targets, RaggedArray) else targets[mask]
    return Samples(inputs, targets, weights, names)


def _mapped(path: Path, lengths: Sequence[int], like: Array | None, medium: Medium) -> Array | RaggedArray:
    """What was written: arrays of these lengths."""
    if like is None:
        empty = np.empty((0, 1, 1, 1), np.uint8)
        return RaggedArray(empty[..., 0, 0], np.zeros(1, np.int64)) if medium.ragged else empty
    shape = (sum(lengths), *like.shape[1:])
    if medium.ragged:
        return RaggedArray(np.memmap(path, like.dtype, "r", 0, shape), np.cumsum([0, *lengths]))
    return np.memmap(path, like.dtype, "r", 0, (len(lengths), *lengths[:1], *like.shape[1:]))


def _decoded(inputs: Any, medium: Medium, decoder: "Decoder", decoding: Decoding) -> "Generator[Named]":
    from dist_bp.media.crew import decode_one

    if (files := media_files(inputs)) is not None:
        with closing(decoding.decode(decoder, files.items)) as blocks:
            yield from zip(map(named, files.items), chain.from_iterable(blocks), strict=True)
        return
    for row, one in enumerate(medium.of_arrays(inputs)):
        name = f"{medium.kind.noun} {row} (counted from 0)"
        yield name, decode_one(decoder, one, name)


def _check_disk(path: Path, needed: int, medium: Medium) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise CapacityError(
            f"data.prepared: the {medium.kind.many} need {needed / 2**30:.1f} GiB, {str(path.parent.parent)!r} has "
            f"{free / 2**30:.1f} GiB free: give another folder"
        )
