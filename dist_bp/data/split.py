"""Dividing the samples into training, validation and test split."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dist_bp.errors import DataError
from dist_bp.messages import plural
from dist_bp.types import Array

SplitName = Literal["train", "validation", "test"]
SPLIT_STREAM = 0
"""Separates the random numbers of the split from those of the epochs' orders."""


@dataclass(frozen=True)
class Split:
    """Fractions of the samples held out; `stratify` keeps the proportions of the classes."""

    validation: float = 0.1
    test: float = 0.1
    stratify: bool = True


def split_indices(samples: int, split: Split, seed: int, labels: Array | None = None) -> dict[SplitName, Array]:
    """Ascending indices of the samples of each split; a split of fraction 0 is left out.

    `labels` (samples,) are the classes to stratify by, if any: then the classes get their exact proportions rounded
    by largest remainders, and every class keeps a sample to train on. Raises DataError for a split without samples.
    """
    held_out = {"test": round(samples * split.test), "validation": round(samples * split.validation)}
    asked = [name for name in ("validation", "test") if getattr(split, name) > 0]
    room = samples > sum(max(1, held_out[name]) for name in asked)
    remedy = "raise data.split.{} to at least " + f"{1 / max(samples, 1):.2g}" if room else "give more data"
    problems = [
        f"the {name} split of {plural(samples, 'sample')} is empty: {remedy.format(name)}, or set "
        f"{'it' if room else f'data.split.{name}'} to 0"
        for name in asked
        if held_out[name] == 0
    ]
    if samples - sum(held_out.values()) < 1:
        problems.append(
            f"the training split of {plural(samples, 'sample')} is empty: "
            "give more data or hold out less of it (data.split)"
        )
    if problems:
        raise DataError(problems)
    sequence = np.random.SeedSequence(seed, spawn_key=(SPLIT_STREAM,))
    order = np.random.Generator(np.random.Philox(sequence)).permutation(samples)
    if labels is None or not split.stratify:
        labels = np.zeros(samples, np.intp)
    return _take(order, labels, held_out)


def _take(order: Array, labels: Array, held_out: dict[str, int]) -> dict[SplitName, Array]:
    """Deals the shuffled samples of each class out to the splits."""
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = order[np.argsort(codes[order], kind="stable")]
    test = _allocate(counts, held_out["test"], counts - 1, "test")
    validation = _allocate(counts, held_out["validation"], counts - 1 - test, "validation")
    ends = np.cumsum(counts)
    place = np.arange(len(order)) - np.repeat(ends - counts, counts)
    is_test = place < np.repeat(test, counts)
    is_train = place >= np.repeat(test + validation, counts)
    parts: dict[SplitName, Array] = {
        "train": by_class[is_train],
        "validation": by_class[~is_train & ~is_test],
        "test": by_class[is_test],
    }
    return {name: np.sort(rows) for name, rows in parts.items() if len(rows)}


def _allocate(counts: Array, total: int, room: Array, name: str) -> Array:
    """Samples of each class for one split: total * counts / sum(counts), rounded by largest remainders."""
    given, remainder = np.divmod(counts * total, counts.sum())
    given = np.minimum(given, room)
    by_remainder = np.argsort(-remainder, kind="stable")
    while (left := total - int(given.sum())) > 0:
        free = by_remainder[(given < room)[by_remainder]]
        if len(free) == 0:
            raise DataError(
                f"too few samples a class to stratify the {name} split: hold out less, or set "
                "data.split.stratify: false"
            )
        given[free[:left]] += 1
    return given
