"""Sequences of labels that a network has too few positions to spell: known before any step."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dist_bp.data.samples import RaggedArray, SampleStore
from dist_bp.nn import Field, Loss, Model
from dist_bp.nn.losses.ctc import Ctc
from dist_bp.types import Array


class Spelling(NamedTuple):
    """Of the samples of a split: how many labels, how many positions these need, and how many the network gives."""

    labels: Array
    needed: Array
    given: Array

    @property
    def possible(self) -> Array:
        spelled: Array = self.needed <= self.given
        return spelled


def spelling(model: Model, samples: SampleStore) -> Spelling | None:
    """None where it is not known how many positions the network gives."""
    given = _given(model, samples)
    if given is None:
        return None
    targets = samples.targets
    if not isinstance(targets, RaggedArray):
        targets = RaggedArray(targets.reshape(-1), np.arange(len(targets) + 1) * targets.shape[1])
    values, offsets = np.asarray(targets.values), targets.offsets
    repeated = np.zeros(len(values) + 1, np.int64)
    repeated[1:-1] = values[1:] == values[:-1]
    repeated[offsets] = 0  # a first label repeats none of the sample before
    before = np.append(0, np.cumsum(repeated))
    labels = np.diff(offsets)
    return Spelling(labels, labels + before[offsets[1:]] - before[offsets[:-1]], given)


def counted(model: Model, loss: Loss, samples: SampleStore) -> SampleStore:
    """The samples as the loss counts them: without the weight of those that it skips."""
    if not isinstance(loss, Ctc) or loss.too_long != "skip":
        return samples
    found = spelling(model, samples)
    return samples if found is None or found.possible.all() else replace(samples, counted=found.possible)


def _given(model: Model, samples: SampleStore) -> Array | None:
    """How many positions the network gives for each sample, by what its layers declare for each length."""
    spec = model.input_spec
    several = isinstance(spec, Mapping)
    fields: dict[str, Field] = dict(spec) if isinstance(spec, Mapping) else {"": spec}
    stored = samples.inputs if several else {"": samples.inputs}
    ragged = [name for name, field in fields.items() if field.ragged]
    lengths = np.array([np.diff(stored[name].offsets) for name in ragged], np.int64).reshape(len(ragged), len(samples))
    distinct, which = np.unique(lengths, axis=1, return_inverse=True)
    found = []
    for sizes in distinct.T.tolist():
        of_size = {name: replace(fields[name], longest=size) for name, size in zip(ragged, sizes, strict=True)}
        described = fields | of_size
        output = model.output_of(described if several else described[""])
        found.append(output.longest if output.ragged else output.shape[0])
    return None if None in found else np.array(found, np.int64)[which.reshape(-1)]
