"""Samples whose labels need more positions than the network gives: told before training, by their names."""

import numpy as np

from dist_bp.data import Prepared
from dist_bp.messages import plural
from dist_bp.nn import Loss, Model
from dist_bp.nn.losses.ctc import Ctc
from dist_bp.spelling import Spelling, spelling
from dist_bp.types import Array

SHOWN = 5
"""Samples of a split that are named."""


def unspelled(prepared: Prepared, model: Model, loss: Loss) -> tuple[list[str], list[str]]:
    """What keeps the job from training, and what is to be said of it: a line each for a split."""
    problems: list[str] = []
    notes: list[str] = []
    if not isinstance(loss, Ctc):
        return problems, notes
    for split, size in prepared.splits.items():
        found = spelling(model, prepared.split(split))
        if found is None or found.possible.all():
            continue
        short = np.flatnonzero(~found.possible)
        which = f"{len(short):,} of the {plural(size, 'sample')} of the {split} split"
        why = f"their labels need more positions than the last layer gives: {_shown(prepared, split, short, found)}"
        if loss.too_long == "skip" and len(short) < size:
            notes.append(f"loss.too_long: skip leaves out {which}, as {why}")
        else:
            remedy = "" if loss.too_long == "skip" else ", or set loss.too_long: skip"
            problems.append(
                f"ctc cannot spell {which}, as {why}; let the layers give more, with smaller strides{remedy}"
            )
    return problems, notes


def _shown(prepared: Prepared, split: str, short: Array, found: Spelling) -> str:
    told = []
    for name, place in zip(prepared.names(split, short[:SHOWN]), short[:SHOWN].tolist(), strict=True):
        labels, needed, given = (int(one[place]) for one in found)
        repeated = f", {needed - labels} of them like the one before, need {needed}" if needed > labels else ""
        told.append(f"{name} ({plural(labels, 'label')}{repeated}, and {plural(given, 'position')})")
    return "; ".join([*told, *(["..."] if len(short) > SHOWN else [])])
