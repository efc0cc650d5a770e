"""What is done to an opened sound before it becomes an array."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, get_args

import numpy as np

from dist_bp.errors import DataError
from dist_bp.sounds import features
from dist_bp.sounds.limits import MOST_VALUES, Bands, Decibels, Hertz, Order, Positions, Power, Rate, Seconds
from dist_bp.sounds.sound import Sound
from dist_bp.types import Array

LEVEL_SECONDS = 0.01
"""Of the pieces whose level tells silence."""
LEAST_DEVIATION = 1e-5
"""A number that varies less stays as it is: it is constant up to rounding."""


@dataclass(frozen=True)
class Resampled:
    """To another rate, by a polyphase filter (scipy.signal.resample_poly)."""

    kind: ClassVar[str] = "resample"
    rate: Rate

    def __call__(self, sound: Sound) -> Sound:
        if sound.rate == self.rate:
            return sound
        from scipy.signal import resample_poly

        common = math.gcd(self.rate, sound.rate)
        up, down = self.rate // common, sound.rate // common
        if sound.values.size * up > MOST_VALUES * down:
            raise DataError(f"would have more than {MOST_VALUES:,} samples at {self.rate:,} a second")
        values = resample_poly(sound.values, up, down, axis=0, window=_low_pass(up, down))
        return Sound(np.ascontiguousarray(values, np.float32), self.rate)


@lru_cache(8)
def _low_pass(up: int, down: int) -> Array:
    """The filter that resample_poly makes by itself, each time anew."""
    from scipy.signal import firwin

    most = max(up, down)
    return np.asarray(firwin(20 * most + 1, 1 / most, window=("kaiser", 5.0)), np.float32)


@dataclass(frozen=True)
class Mixed:
    """The mean of all channels."""

    kind: ClassVar[str] = "mono"

    def __call__(self, sound: Sound) -> Sound:
        if sound.values.shape[1] == 1:
            return sound
        return Sound(sound.values.mean(axis=1, keepdims=True), sound.rate)


@dataclass(frozen=True)
class Trimmed:
    """Without silence at both ends: pieces of 10 ms whose mean square is more than `below` dB under the loudest's."""

    kind: ClassVar[str] = "trim_silence"
    below: Decibels

    def __call__(self, sound: Sound) -> Sound:
        size = max(1, round(LEVEL_SECONDS * sound.rate))
        squares = np.square(sound.values, dtype=np.float64).sum(axis=1)
        starts = np.arange(0, len(squares), size)
        levels = np.add.reduceat(squares, starts) / np.diff(np.append(starts, len(squares)))
        heard = np.flatnonzero(levels >= levels.max() * 10 ** (-self.below / 10))
        return Sound(sound.values[starts[heard[0]] : starts[heard[-1]] + size], sound.rate)


@dataclass(frozen=True)
class Framed:
    """Frames of samples, see `features.frames`."""

    kind: ClassVar[str] = "frames"
    window: Seconds
    hop: Seconds

    def __call__(self, sound: Sound) -> Sound:
        window, hop = _in_samples(self.window, self.hop, sound.rate)
        return Sound(np.ascontiguousarray(features.frames(_channel(sound), window, hop)), sound.rate)


@dataclass(frozen=True)
class LogMel:
    """Logarithms of the power in bands of the mel scale, see `features.log_mel`."""

    kind: ClassVar[str] = "log_mel"
    window: Seconds
    hop: Seconds
    bands: Bands
    low: Hertz
    high: Hertz | None
    floor: Power

    def __call__(self, sound: Sound) -> Sound:
        window, hop = _in_samples(self.window, self.hop, sound.rate)
        signal, bands = _channel(sound), (self.bands, self.low, self.high)
        return Sound(features.log_mel(signal, sound.rate, window, hop, *bands, self.floor), sound.rate)


@dataclass(frozen=True)
class Cepstral(LogMel):
    """Coefficients of the cosine transform of `LogMel`, see `features.mfcc`."""

    kind: ClassVar[str] = "mfcc"
    coefficients: Bands

    def __call__(self, sound: Sound) -> Sound:
        logs = super().__call__(sound)
        return Sound(features.mfcc(logs.values, self.coefficients), sound.rate)


@dataclass(frozen=True)
class WithDeltas:
    """Beside each number its slope over time, and the slope of that, see `features.deltas`."""

    kind: ClassVar[str] = "deltas"
    width: Positions
    order: Order

    def __call__(self, sound: Sound) -> Sound:
        found = [sound.values]
        for _ in range(self.order):
            found.append(features.deltas(found[-1], self.width))
        return Sound(np.concatenate(found, axis=1), sound.rate)


@dataclass(frozen=True)
class Normalized:
    """Each number less its mean over the positions of its sound, and divided by its deviation there."""

    kind: ClassVar[str] = "normalize_over_time"
    deviation: bool

    def __call__(self, sound: Sound) -> Sound:
        values = sound.values - sound.values.mean(axis=0, dtype=np.float64)
        if self.deviation:
            deviations = np.sqrt(np.square(values).mean(axis=0))
            values /= np.where(deviations < LEAST_DEVIATION, 1.0, deviations)
        return Sound(values.astype(np.float32), sound.rate)


def _in_samples(window: float, hop: float, rate: int) -> tuple[int, int]:
    return max(1, round(window * rate)), max(1, round(hop * rate))


def _channel(sound: Sound) -> Array:
    if sound.values.shape[1] != 1:
        raise DataError(f"has {sound.values.shape[1]} channels: put {{type: mono}} before it in data.preprocess")
    values: Array = sound.values[:, 0]
    return values


Operation = Resampled | Mixed | Trimmed | Framed | LogMel | Cepstral | WithDeltas | Normalized
OPERATIONS: dict[str, type[Operation]] = {one.kind: one for one in get_args(Operation)}
OF_SAMPLES = (Resampled.kind, Mixed.kind, Trimmed.kind)
"""Those that make samples of samples."""
OF_FEATURES = (Framed.kind, LogMel.kind, Cepstral.kind)
"""Those that make positions of them."""
