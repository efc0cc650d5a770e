"""Cepstral coefficients."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from dist_bp.data.preprocess.sound_step import MelStep
from dist_bp.errors import OptionError
from dist_bp.options import Doc
from dist_bp.sounds.limits import Bands

if TYPE_CHECKING:
    from dist_bp.sounds.operations import Cepstral


@dataclass(frozen=True)
class Mfcc(MelStep):
    """Make of each frame of a sound its first cepstral coefficients: the orthonormal DCT-II of what log_mel makes."""

    name = "mfcc"
    coefficients: Annotated[Bands, Doc("How many coefficients, the one of loudness among them.")] = 13

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.coefficients > self.bands:
            raise OptionError("coefficients", f"must be at most the number of bands, {self.bands}")

    @property
    def operation(self) -> "Cepstral":
        from dist_bp.sounds.operations import Cepstral

        return Cepstral(self.window, self.hop, self.bands, self.low, self.high, self.floor, self.coefficients)
