"""What is shown of a network for images or sounds: samples with predictions, the worst mistakes, the first filters."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from dist_bp.checkpoint import Checkpoint
from dist_bp.data import Prepared, SampleStore
from dist_bp.data.images.shown import shown_images
from dist_bp.data.samples import Gatherer, cuts, evenly
from dist_bp.data.sounds.shown import has_spectrograms, spectrograms
from dist_bp.nn.model import LayerSummary, Model
from dist_bp.serve.saved_model import SavedModel
from dist_bp.signals import Field, Signal, Spec
from dist_bp.track.drawing import Picture
from dist_bp.track.port import SWEEP
from dist_bp.train.setup import PreparedJob
from dist_bp.types import Array, Shape

SAMPLES_FIGURE = "figures/samples.png"
MISTAKES_FIGURE = "figures/worst_mistakes.png"
FILTERS_FIGURE = "figures/filters.png"
SAMPLES, MISTAKES, FILTERS = 18, 12, 64
"""How many are shown at most."""
MOST_PREDICTED, WORK = 2000, 2 * 10**10
"""Samples among which mistakes are looked for, and about how many multiplications that may take: a few seconds."""
LARGEST_SIDE = 96


Show = Callable[[str, Array], Array]
"""Of a split and indices of rows in it, pictures as `images_of` gives them."""


@dataclass(frozen=True)
class Predictions:
    """For samples in ascending order: their indices `rows` (n,) in the split, the true and the predicted class (n,),
    and the probability (n,) of each of the two."""

    rows: Array
    truth: Array
    predicted: Array
    probability: Array
    true_probability: Array

    def taken(self, places: Array) -> "Predictions":
        """Those at these places."""
        return Predictions(*(array[places] for array in vars(self).values()))

    @property
    def right(self) -> Array:
        """Whether each is right, (n,)."""
        found: Array = self.predicted == self.truth
        return found

    def worst(self, most: int) -> "Predictions":
        """The wrong ones whose true class was held for the least likely, that is those of the highest cross-entropy,
        the worst first; of equal ones those that were most confident."""
        wrong = np.flatnonzero(~self.right)
        order = np.lexsort((-self.probability[wrong], self.true_probability[wrong]))
        return self.taken(wrong[order[:most]])


def gallery_of(job: PreparedJob, checkpoint: Checkpoint) -> dict[str, Picture]:
    """Pictures of a network that tells the classes of images or sounds, by the name of the artifact; of others, and of
    a sweep's trials, none."""
    split, shown = job.measured, shown_by(job.prepared, job.model)
    if shown is None or not tells_classes(job):
        return {}
    pictures: dict[str, Picture] = {}
    if split:
        pictures |= _predicted(SavedModel(job.config, checkpoint), job.prepared, split, shown)
    filters = first_filters(job.model.summary(), checkpoint.parameters)
    if filters is not None:
        count = filters.shape[-1]
        arguments = {"weights": filters[..., :FILTERS].tolist(), "title": filters_title(count)}
        pictures[FILTERS_FIGURE] = Picture("filters", arguments)
    return pictures


def tells_classes(job: PreparedJob) -> bool:
    """Whether each sample has one class, and the job is no trial of a sweep."""
    schema = job.prepared.schema
    single = schema.classes is not None and schema.target_shape == () and not schema.ragged
    return single and SWEEP not in job.config.tracking.tags


def shown_by(prepared: Prepared, model: Model) -> Show | None:
    """What makes pictures of samples; None where they are neither images nor sounds."""
    if has_spectrograms(prepared):
        return lambda split, rows: spectrograms(prepared, split, rows)
    shape = image_shape(prepared, model)
    return None if shape is None else lambda split, rows: images_of(prepared, split, rows, shape)


def image_shape(prepared: Prepared, model: Model) -> Shape | None:
    """(height, width, 1 or 3) of samples that are images, or that the first layer makes images of; else None."""
    kept = shown_images(prepared, "train", np.empty(0, np.int64))
    if kept is not None:
        return kept.shape[1:]
    spec, first = model.input_spec, model.summary()[:1]
    if not isinstance(spec, Field) or spec.kind != "float" or spec.ragged:
        return None
    fields = [spec, *(layer.output for layer in first if layer.kind == "reshape")]
    shapes = [field.shape for field in fields if isinstance(field, Field)]
    return next((shape for shape in shapes if len(shape) == 3 and min(shape[:2]) > 1 and shape[2] in (1, 3)), None)


def first_filters(layers: Sequence[LayerSummary], parameters: Mapping[str, Array]) -> Array | None:
    """The kernel (rows, columns, 1 or 3, filters) of the first layer with parameters; None where it has no such."""
    first = next((layer for layer in layers if layer.parameters), None)
    if first is None or first.kind != "conv2d":
        return None
    kernel = parameters[f"{first.name}.weight"]
    return kernel if kernel.shape[2] in (1, 3) and kernel[..., 0, 0].size > 1 else None


def images_of(prepared: Prepared, split: str, rows: Array, shape: Shape) -> Array:
    """The samples at indices `rows` as uint8 (n, height, width, 1 or 3): as they were, or from the smallest to the
    largest of their numbers; large ones are made smaller."""
    images = shown_images(prepared, split, rows)
    if images is None:
        images = as_bytes(_gathered(prepared.split(split), rows).reshape(len(rows), *shape))
    return smaller(images, LARGEST_SIDE)


def as_bytes(numbers: Array) -> Array:
    """From the smallest of all, 0, to the largest, 255."""
    low, high = float(numbers.min(initial=np.inf)), float(numbers.max(initial=-np.inf))
    width = high - low if high > low else 1.0
    return np.rint((numbers.astype(np.float64) - low) * (255 / width)).astype(np.uint8)


def smaller(images: Array, side: int) -> Array:
    """Images (n, height, width, channels) of uint8 with sides of at most `side`: the means of squares of pixels. What
    does not fill a square, at the right and the lower edge, is left out."""
    count, height, width, channels = images.shape
    factor = -(-max(height, width) // side)
    down, across = min(factor, height), min(factor, width)
    if factor == 1:
        return images
    rows, columns = height // down, width // across
    squares = images[:, : rows * down, : columns * across].reshape(count, rows, down, columns, across, channels)
    means: Array = np.rint(squares.mean(axis=(2, 4))).astype(np.uint8)
    return means


def samples_title(found: Predictions, samples: int, split: str) -> str:
    """How many are right among those looked at, of a split of so many."""
    return f"{int(found.right.sum()):,} right among {_among(found, samples, split)}"


def mistakes_title(found: Predictions, shown: int, samples: int, split: str) -> str:
    """How many of the mistakes are shown, and among how many samples there are so many."""
    wrong = int((~found.right).sum())
    which = f"the worst {shown} of {wrong:,} mistakes" if shown < wrong else f"all mistakes, {wrong}"
    return f"{which[0].upper()}{which[1:]}, among {_among(found, samples, split)}"


def filters_title(count: int) -> str:
    """How many filters there are, and how many of them are shown."""
    return f"{count} filters of the first layer" if count <= FILTERS else f"{FILTERS} of {count} filters"


def _among(found: Predictions, samples: int, split: str) -> str:
    seen = len(found.rows)
    return f"{seen:,} {split} samples" if seen == samples else f"{seen:,} of {samples:,} {split} samples"


def _predicted(model: SavedModel, prepared: Prepared, split: str, show: Show) -> dict[str, Picture]:
    store = prepared.split(split)
    found = predictions_of(model, store, np.arange(len(store)))
    if found is None:
        return {}
    shown, worst = found.taken(evenly(len(found.rows), SAMPLES)), found.worst(MISTAKES)
    titles = {
        SAMPLES_FIGURE: (shown, samples_title(found, len(store), split)),
        MISTAKES_FIGURE: (worst, mistakes_title(found, len(worst.rows), len(store), split)),
    }
    names = [str(name) for name in prepared.schema.classes or ()]
    return {
        figure: Picture("predictions", _arguments(some, names, title, show(split, some.rows)))
        for figure, (some, title) in titles.items()
        if len(some.rows)
    }


def _arguments(some: Predictions, names: Sequence[str], title: str, images: Array) -> dict[str, Any]:
    return {
        "images": images.tolist(),
        "predicted": [names[place] for place in some.predicted],
        "truth": [names[place] for place in some.truth],
        "probabilities": np.stack([some.probability, some.true_probability], axis=1).tolist(),
        "right": some.right.tolist(),
        "title": title,
    }


def predictions_of(model: SavedModel, store: SampleStore, among: Array) -> Predictions | None:
    """Of samples from all over those at indices `among`, fewer where the network is large; None where outputs are no
    probabilities."""
    rows = among[evenly(len(among), samples_for(model.model.summary()))]
    lengths = None if store.lengths is None else store.lengths[rows]
    blocks = (rows[first:last] for first, last in cuts(lengths, 0, len(rows), *model.model.at_a_time))
    with threadpool_limits(1, user_api="blas"):  # for blocks this small several take longer
        classes, probabilities = model.decide(_gathered(store, some) for some in blocks)
    if probabilities.shape[1] != len(model.pipeline.classes or ()):
        return None
    every, truth = np.arange(len(rows)), np.asarray(store.targets[rows])
    return Predictions(rows, truth, classes, probabilities[every, classes], probabilities[every, truth])


def samples_for(layers: Sequence[LayerSummary]) -> int:
    """How many samples go through a network with `WORK`, if each parameter is used once at each position of a layer's
    output; never fewer than are shown, and the same on any machine."""
    work = sum(layer.parameters * _positions(layer.output) for layer in layers)
    return min(max(WORK // max(work, 1), SAMPLES), MOST_PREDICTED)


def _positions(output: Spec) -> int:
    fields = [output] if isinstance(output, Field) else output.values()
    return max((field.longest or 1) * math.prod(field.shape[:-1]) for field in fields)


def _gathered(store: SampleStore, rows: Array) -> Signal:
    """The inputs of these samples as the network takes them."""
    return Gatherer(store, len(rows)).batch(rows, (), rows).inputs
