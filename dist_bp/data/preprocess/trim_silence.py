"""Sounds without the silence around them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from dist_bp.data.preprocess.sound_step import SoundStep
from dist_bp.options import Doc
from dist_bp.sounds.limits import Decibels

if TYPE_CHECKING:
    from dist_bp.sounds.operations import Trimmed


@dataclass(frozen=True)
class TrimSilence(SoundStep):
    """Cut silence off at both ends of a sound: what lies before the first and behind the last loud piece of 10 ms.

    Loud is a piece whose mean square is at most `below` dB under that of the loudest.
    """

    name = "trim_silence"
    below: Annotated[Decibels, Doc("How far under the loudest piece silence begins, in dB.")] = 40.0

    @property
    def operation(self) -> "Trimmed":
        from dist_bp.sounds.operations import Trimmed

        return Trimmed(self.below)
