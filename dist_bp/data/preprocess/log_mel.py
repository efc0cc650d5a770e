"""Spectrograms."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dist_bp.data.preprocess.sound_step import MelStep

if TYPE_CHECKING:
    from dist_bp.sounds.operations import LogMel as Operation


@dataclass(frozen=True)
class LogMel(MelStep):
    """Make of each frame of a sound the logarithms of its power in bands of the mel scale.

    Frames lie under a periodic Hann window; the scale is 2595 log10(1 + f / 700), bands are triangles of height 1.
    """

    name = "log_mel"

    @property
    def operation(self) -> "Operation":
        from dist_bp.sounds.operations import LogMel as Operation

        return Operation(self.window, self.hop, self.bands, self.low, self.high, self.floor)
