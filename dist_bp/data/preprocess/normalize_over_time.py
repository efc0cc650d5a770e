"""Features without what is the same all through a sound."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from dist_bp.data.preprocess.sound_step import SoundStep
from dist_bp.options import Doc

if TYPE_CHECKING:
    from dist_bp.sounds.operations import Normalized


@dataclass(frozen=True)
class NormalizeOverTime(SoundStep):
    """Give each number of a position mean 0 and standard deviation 1 over the sound that it is in.

    Of log_mel and mfcc it takes out what the microphone, the room and the loudness add to all positions alike (cepstral
    mean and variance normalisation).
    """

    name = "normalize_over_time"
    deviation: Annotated[bool, Doc("Whether to divide by the deviation, or to subtract the mean alone.")] = True

    @property
    def operation(self) -> "Normalized":
        from dist_bp.sounds.operations import Normalized

        return Normalized(self.deviation)
