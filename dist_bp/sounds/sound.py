"""What a sound is while it is worked at."""

from typing import NamedTuple

from dist_bp.types import Array


class Sound(NamedTuple):
    """`values` float32 (samples, channels), `rate` of them a second; or the features (positions, features) that were
    made of them."""

    values: Array
    rate: int


class Decoded(NamedTuple):
    """`sound` after all operations; before them it had the `rate` and the number of `channels`."""

    sound: Sound
    rate: int
    channels: int
