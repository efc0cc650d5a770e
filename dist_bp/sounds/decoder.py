"""From sounds of any rate and length to samples or features: the same in training, evaluation and serving."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from dist_bp.errors import DataError
from dist_bp.media.decoder import Decoder, Item
from dist_bp.media.faults import too_little_memory
from dist_bp.sounds.opening import name_of, open_sound
from dist_bp.sounds.operations import OPERATIONS, Mixed, Operation, Resampled
from dist_bp.sounds.sound import Decoded, Sound
from dist_bp.types import Array


@dataclass(frozen=True)
class SoundDecoder(Decoder):
    """Opens a sound, see `open_sound`, and applies the operations in their order.

    `rate` and `channels` are those of all sounds in training, None: they differed, or are not known yet. Sounds of
    another rate, or number of channels, are converted to these, unless an operation does that: each channel is then the
    mean of those that there are.
    """

    many = "sounds"
    operations: tuple[Operation, ...] = ()
    rate: int | None = None
    channels: int | None = None

    def open(self, item: Item, name: str = "") -> Decoded:
        """The sound after the operations; raises DataError."""
        sound = open_sound(item, name)
        heard = sound.rate, sound.values.shape[1]
        try:
            with _controller().limit(limits=1, user_api="blas"):  # the same bits in every process
                sound = self._as_in_training(sound)
                for operation in self.operations:
                    sound = operation(sound)
        except MemoryError as error:
            raise too_little_memory(name or name_of(item)) from error
        except DataError as error:
            raise DataError(f"{name or name_of(item)} {error}") from error
        return Decoded(sound, *heard)

    def _as_in_training(self, sound: Sound) -> Sound:
        if self.rate is not None and not self.has(Resampled):
            sound = Resampled(self.rate)(sound)
        if self.channels not in (None, sound.values.shape[1]) and not self.has(Mixed):
            sound = Sound(np.repeat(Mixed()(sound).values, self.channels, axis=1), sound.rate)
        return sound

    def name_of(self, item: Item) -> str:
        return name_of(item)

    def packed(self, one: Decoded) -> tuple[Array, list[int]]:
        return one.sound.values, [one.sound.rate, one.rate, one.channels]

    def unpacked(self, array: Array, facts: Sequence[int]) -> Decoded:
        rate, *heard = facts
        return Decoded(Sound(array, rate), *heard)

    def converts(self, one: Decoded) -> bool:
        """Whether a sound is not as those of training were."""
        return self.rate not in (None, one.rate) or self.channels not in (None, one.channels)

    def has(self, kind: type[Operation]) -> bool:
        return any(isinstance(one, kind) for one in self.operations)

    def to_json(self) -> dict[str, Any]:
        operations = [{"kind": one.kind, **asdict(one)} for one in self.operations]
        return {"operations": operations, "rate": self.rate, "channels": self.channels}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "SoundDecoder":
        made = []
        for one in state["operations"]:
            options = dict(one)
            made.append(OPERATIONS[options.pop("kind")](**options))
        return cls(tuple(made), state["rate"], state["channels"])


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
