"""Arrays whose rows are sounds: what the sources of arrays have in common."""

from dataclasses import replace
from typing import Annotated

from dist_bp.data.inputs import Features
from dist_bp.data.media.files import IfUnreadable, recordings
from dist_bp.data.sources.base import Dataset, Samples, described
from dist_bp.errors import OptionError
from dist_bp.options import Doc
from dist_bp.sounds.limits import Rate

RateOfRows = Annotated[
    Rate | None,
    Doc("Samples a second, where each row is a sound: it is learnt as one of a file; null: rows are numbers."),
]
IfUnsound = Annotated[
    IfUnreadable, Doc("Sounds that are silent, empty or not finite: refuse them, or skip them and say how many.")
]


def check_rate(rate: int | None, unreadable: IfUnreadable) -> None:
    """Raises OptionError where what is said of sounds has no effect."""
    if rate is None and unreadable != "error":
        raise OptionError("unreadable", "is for sounds: say how many samples a second they have with rate")


def dataset_of_signals(
    main: Samples, test: Samples | None, rate: int, path: str, test_path: str | None, unreadable: IfUnreadable
) -> Dataset:
    """A dataset of sounds, arrays of samples, `rate` of them a second, in the rows of files."""
    sets = [
        replace(one, inputs=recordings(described(one.inputs, repr(of))[0], rate, of, unreadable=unreadable))
        for one, of in ((main, path), (test, test_path))
        if one is not None and of is not None
    ]
    return Dataset(sets[0], Features(()), sets[1] if len(sets) > 1 else None)
