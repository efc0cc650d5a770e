"""Sounds as data."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp.data.inputs import Features
from dist_bp.data.media.files import SOUNDS
from dist_bp.data.media.medium import Medium
from dist_bp.data.samples import RaggedArray
from dist_bp.errors import DataError
from dist_bp.media.decoder import Unreadable
from dist_bp.sounds.decoder import SoundDecoder
from dist_bp.sounds.opening import open_sound
from dist_bp.sounds.operations import OF_FEATURES, OF_SAMPLES
from dist_bp.types import Array, Shape

if TYPE_CHECKING:
    from dist_bp.data.sounds.findings import SoundFindings

EXAMPLE_SECONDS = 5


class Sounds(Medium):
    """Samples are float32 (positions, values) of any number of positions."""

    kind = SOUNDS
    forms = "paths, bytes of files, or pairs of an array and its rate"
    libraries = ("soundfile", "scipy", "threadpoolctl")
    ragged = True

    def decoder(self, operations: Sequence[Any]) -> SoundDecoder:
        return SoundDecoder(tuple(operations))

    def problems(self, operations: Sequence[Any]) -> list[str]:
        kinds = [one.kind for one in operations]
        made = [kind for kind in kinds if kind in OF_FEATURES]
        problems = [f"{made[0]} and {made[1]} both make positions of samples: keep one"] if len(made) > 1 else []
        first = kinds.index(made[0]) if made else len(kinds)
        late = [kind for kind in kinds[first:] if kind in OF_SAMPLES]
        problems += [f"{kind} works on samples: put it before {made[0]}" for kind in late]
        early = [kind for kind in kinds[:first] if kind not in (*OF_SAMPLES, *OF_FEATURES)]
        problems += [f"{kind} works on positions: put log_mel, mfcc or frames before it" for kind in early]
        return [f"preprocess step {line}" for line in problems]

    def findings(self, skips: bool, option: str, decoder: Any) -> "SoundFindings":
        from dist_bp.data.sounds.findings import SoundFindings

        return SoundFindings(skips, option, decoder)

    def after_training(self, decoder: Any, findings: Any) -> SoundDecoder:
        rates, channels = ([*counts] for counts in (findings.rates, findings.channels))
        made: SoundDecoder = replace(
            decoder,
            rate=rates[0] if len(rates) == 1 else None,
            channels=channels[0] if len(channels) == 1 else None,
        )
        return made

    def features(self, arrays: Array | RaggedArray) -> Features:
        assert isinstance(arrays, RaggedArray)
        return Features(arrays.values.shape[1:], ragged=True)

    def joined(self, arrays: Sequence[Array], features: Features) -> RaggedArray:
        values = np.concatenate([np.empty((0, *features.shape), np.float32), *arrays])
        return RaggedArray(values, np.cumsum([0, *map(len, arrays)]))

    def misfit(self, shape: Shape, features: Features) -> str | None:
        if shape[1:] == features.shape:
            return None
        return f"has {shape[1]} values at each position, not {features.shape[0]} as in training"

    def alone(self, raw: Any, features: Features) -> bool:
        return isinstance(raw, np.ndarray) or (
            isinstance(raw, tuple) and len(raw) == 2 and isinstance(raw[1], int | float | np.number)
        )

    def of_arrays(self, inputs: Any) -> Iterable[Any]:
        raise DataError("data.preprocess has steps for sounds, and the source gives no files of sounds")

    def example(self, item: Any, decoder: Any) -> bytes:
        """A WAV file before the decoder's operations, of the first seconds alone where these can be used."""
        import soundfile

        sound = open_sound(item)
        first = sound._replace(values=sound.values[: EXAMPLE_SECONDS * sound.rate])
        with suppress(Unreadable):
            sound = open_sound(tuple(first))
        file = BytesIO()
        soundfile.write(file, sound.values, sound.rate, format="WAV", subtype="FLOAT")
        return file.getvalue()
