"""Sounds of one channel."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dist_bp.data.preprocess.sound_step import SoundStep

if TYPE_CHECKING:
    from dist_bp.sounds.operations import Mixed


@dataclass(frozen=True)
class Mono(SoundStep):
    """Make one channel of all, their mean."""

    name = "mono"

    @property
    def operation(self) -> "Mixed":
        from dist_bp.sounds.operations import Mixed

        return Mixed()
