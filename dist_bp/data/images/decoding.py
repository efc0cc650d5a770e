"""From a source of images to one of pixels: decoded once, checked, and laid down in a file, a block at a time."""

import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp.data.checks import NO_INPUT_IS_RAGGED, Problems, check_counts
from dist_bp.data.images.files import ImageFiles, image_files
from dist_bp.data.inputs import Described, Features, Raw, array_in, is_named, samples_of
from dist_bp.data.preprocess.base import Preprocessor
from dist_bp.data.preprocess.image_step import ImageStep
from dist_bp.data.samples import RaggedArray
from dist_bp.data.sources.base import Dataset, Samples
from dist_bp.data.targets import target_array
from dist_bp.data.weights import weight_array
from dist_bp.errors import CapacityError, DataError
from dist_bp.images.decoding import Decoding

if TYPE_CHECKING:
    from dist_bp.data.images.findings import Findings
    from dist_bp.images.crew import Decoded
    from dist_bp.images.decoder import Decoder

    Named = tuple[str, Decoded]
    """What messages call an image, and what became of it."""


@contextmanager
def decoded(
    dataset: Dataset, steps: Sequence[Preprocessor], scratch: Path, decoding: Decoding
) -> "Iterator[tuple[Dataset, Decoder | None, Sequence[Preprocessor]]]":
    """The dataset with pixels (n, height, width, channels) of uint8 in place of images, what decodes them, and the
    steps that remain; the dataset and the steps themselves, and None, where it has no images. What cannot be read and
    is skipped is left out of all inputs.

    Arrays of uint8 (n, height, width) or (n, height, width, channels) are images where a step for images asks for
    them. The pixels lie in the folder `scratch`, which is removed at the end. Raises DataError for images that cannot
    be read, or differ in size or channels, CapacityError where the disk is too small.
    """
    first = next((place for place, step in enumerate(steps) if not isinstance(step, ImageStep)), len(steps))
    mine = [step for step in steps[:first] if isinstance(step, ImageStep)]
    if not mine and image_files(dataset.samples.inputs) is None:
        yield dataset, None, steps
        return
    from dist_bp.images.decoder import Decoder

    decoder = Decoder(tuple(step.operation for step in mine))
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield _pixels_of(dataset, decoder, scratch, decoding), decoder, steps[first:]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _pixels_of(dataset: Dataset, decoder: "Decoder", scratch: Path, decoding: Decoding) -> Dataset:
    from dist_bp.data.images.findings import Findings

    _check_counts({"": dataset.samples, **{f"{name} set: ": samples for name, samples in dataset.own.items()}})
    files = image_files(dataset.samples.inputs)
    findings = Findings(files is not None and files.unreadable == "skip")
    made = {}
    for name, samples in {"samples": dataset.samples, **dataset.own}.items():
        with closing(_images(samples.inputs, decoder, decoding)) as images:
            made[name] = _laid_down(samples, scratch / name, images, findings)
    if problems := [*dataset.problems, *findings.problems(), *_gone(dataset, made["samples"], findings)]:
        raise DataError(problems)
    notes = (*dataset.notes, *findings.notes)
    features = _described(dataset.features, Features(findings.shape or ()))
    test, validation = made.get("test"), made.get("validation")
    return replace(dataset, samples=made["samples"], test=test, validation=validation, features=features, notes=notes)


def _gone(dataset: Dataset, made: Samples, findings: "Findings") -> list[str]:
    """A line for each class of which all images were skipped."""
    if not findings.skipped:
        return []
    before, here = ({*np.unique(one.targets).tolist()} for one in (dataset.samples, made))
    gone = [name for name in dataset.classes or () if name in before and name not in here]
    return [f"the class {name!r} has no image that can be read: remove it" for name in gone]


def _described(features: Described, images: Features) -> Described:
    if isinstance(features, Features):
        return images
    name, _ = array_in(features)
    return {**features, name: images}


def _check_counts(sets: dict[str, Samples]) -> None:
    """Raises DataError for sets without a target and a weight for each image, before time is spent on those."""
    problems = Problems()
    for prefix, samples in sets.items():
        with problems.collected(prefix):
            targets, count = target_array(samples.targets), samples_of(samples.inputs)
            check_counts(count, targets)
            if isinstance(targets, RaggedArray):
                raise DataError(NO_INPUT_IS_RAGGED)
            if samples.weights is not None:
                weight_array(samples.weights, count, "float64")
    problems.check()


def _laid_down(samples: Samples, path: Path, images: "Iterator[Named]", findings: "Findings") -> Samples:
    """The samples with the pixels of those images that are samples, in the file `path`."""
    kept = []
    with path.open("wb") as file:
        for name, one in images:
            kept.append(findings.take(name, one))
            if kept[-1] and isinstance(one, np.ndarray):
                if not file.tell():
                    _check_disk(path, samples_of(samples.inputs) * one.nbytes)
                file.write(np.ascontiguousarray(one).data)
    shape, mask = (sum(kept), *(findings.shape or (1, 1, 1))), np.array(kept, bool)
    pixels = np.memmap(path, np.uint8, "r", 0, shape) if any(kept) else np.empty(shape, np.uint8)
    inputs: Raw = pixels
    if is_named(samples.inputs):
        raw = samples.inputs.items()
        inputs = {name: pixels if isinstance(one, ImageFiles) else one[mask] for name, one in raw}
    weights = None if samples.weights is None else np.asarray(samples.weights)[mask]
    return Samples(inputs, np.asarray(samples.targets)[mask], weights)


def _images(inputs: Any, decoder: "Decoder", decoding: Decoding) -> "Generator[Named]":
    from dist_bp.images.crew import decoded as decoded_one

    if (files := image_files(inputs)) is not None:
        with closing(decoding.decode(decoder, files.paths)) as blocks:
            yield from zip(map(repr, files.paths), chain.from_iterable(blocks), strict=True)
        return
    if not isinstance(inputs, np.ndarray) or inputs.dtype != np.uint8 or inputs.ndim not in (3, 4):
        raise DataError(
            "data.preprocess has steps for images, and the source gives none: neither files nor an array of uint8 "
            "(samples, height, width) or (samples, height, width, channels)"
        )
    for row, one in enumerate(inputs):
        name = f"image {row} (counted from 0)"
        yield name, decoded_one(decoder, one, name)


def _check_disk(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise CapacityError(
            f"data.prepared: the pixels need {needed / 2**30:.1f} GiB, {str(path.parent.parent)!r} has "
            f"{free / 2**30:.1f} GiB free: give another folder"
        )
