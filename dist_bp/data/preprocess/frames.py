"""Frames of sounds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dist_bp.data.preprocess.sound_step import Hop, SoundStep, Window

if TYPE_CHECKING:
    from dist_bp.sounds.operations import Framed


@dataclass(frozen=True)
class Frames(SoundStep):
    """Cut sounds into frames, which are then the positions of a sample.

    What is left at the end, shorter than a frame, is left out; a sound that is shorter than one is filled up with
    zeros.
    """

    name = "frames"
    window: Window = 0.025
    hop: Hop = 0.01

    @property
    def operation(self) -> "Framed":
        from dist_bp.sounds.operations import Framed

        return Framed(self.window, self.hop)
