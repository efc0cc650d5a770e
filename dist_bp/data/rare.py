"""Classes that a split holds too few of to learn them, or to say how well they were learnt."""

from collections.abc import Iterator, Sequence

import numpy as np

from dist_bp.data.arrays import values_of
from dist_bp.data.parts import Parts
from dist_bp.data.tables.report import listed
from dist_bp.data.targets import Label
from dist_bp.messages import quoted


def rare_classes(parts: Parts, classes: Sequence[Label] | None) -> list[str]:
    """A line with the classes that occur never or once in the training split, or never in another, if there are any;
    `classes` are None where targets are none."""
    told = [*_told(parts, classes)] if classes else []
    return [f"rare classes: {'; '.join(told)}"] if told else []


def _told(parts: Parts, classes: Sequence[Label]) -> Iterator[str]:
    for split, part in parts.items():
        where = "training" if split == "train" else split
        few = {"never": 0, "once": 1} if split == "train" else {"never": 0}
        counts = np.bincount(values_of(part.targets).ravel(), minlength=len(classes))
        for how, number in few.items():
            named = [quoted(str(classes[place])) for place in np.flatnonzero(counts == number).tolist()]
            untaught = ", of which nothing is learnt" if split == "train" and number == 0 else ""
            if named:
                yield f"{len(named):,} {how} in the {where} split ({listed(named)}){untaught}"
