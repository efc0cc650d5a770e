"""What the steps for sounds share."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.data.preprocess.media_step import MediaStep
from dist_bp.errors import OptionError
from dist_bp.options import Doc
from dist_bp.sounds.limits import Bands, Hertz, Power, Seconds

Window = Annotated[Seconds, Doc("Length of a frame in seconds.")]
Hop = Annotated[Seconds, Doc("From the beginning of a frame to that of the next, in seconds.")]


class SoundStep(MediaStep):
    """A step that works on sounds of any length."""

    files = "sounds"


@dataclass(frozen=True)
class MelStep(SoundStep):
    """A step that makes numbers of the power in bands of the mel scale."""

    bands: Annotated[Bands, Doc("How many bands of the mel scale.")] = 40
    window: Window = 0.025
    hop: Hop = 0.01
    low: Annotated[Hertz, Doc("Where the lowest band begins, in Hz.")] = 20.0
    high: Annotated[Hertz | None, Doc("Where the highest band ends, in Hz; null: at half the rate.")] = None
    floor: Annotated[Power, Doc("A smaller power counts as this, so that digital silence has a logarithm.")] = 1e-6

    def __post_init__(self) -> None:
        if self.high is not None and self.high <= self.low:
            raise OptionError("high", f"must be above low, {self.low:g} Hz, got {self.high:g}")
