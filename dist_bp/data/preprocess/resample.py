"""Sounds of one rate."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from dist_bp.data.preprocess.sound_step import SoundStep
from dist_bp.options import Doc
from dist_bp.sounds.limits import Rate

if TYPE_CHECKING:
    from dist_bp.sounds.operations import Resampled


@dataclass(frozen=True)
class Resample(SoundStep):
    """Bring sounds to one rate, by a polyphase filter."""

    name = "resample"
    rate: Annotated[Rate, Doc("Samples a second.")]

    @property
    def operation(self) -> "Resampled":
        from dist_bp.sounds.operations import Resampled

        return Resampled(self.rate)
