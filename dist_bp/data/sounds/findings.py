"""Whether sounds are alike."""

from collections import Counter
from typing import NamedTuple

from dist_bp.data.media.files import SOUNDS
from dist_bp.data.media.findings import Findings
from dist_bp.messages import plural
from dist_bp.sounds.decoder import SoundDecoder
from dist_bp.sounds.sound import Decoded
from dist_bp.types import Shape


class Form(NamedTuple):
    """The rate, and the shape of a position."""

    rate: int
    shape: Shape


class SoundFindings(Findings):
    """Sounds must have one rate and number of channels, once all operations are done; which others they had before them
    is told where that is not as in training."""

    def __init__(self, skips: bool, option: str, decoder: SoundDecoder) -> None:
        super().__init__(SOUNDS, skips, option)
        self._decoder = decoder
        self.rates: Counter[int] = Counter()
        self.channels: Counter[int] = Counter()
        self._converted: list[str] = []

    def form(self, one: Decoded) -> Form:
        self.rates[one.rate] += 1
        self.channels[one.channels] += 1
        return Form(one.sound.rate, one.sound.values.shape[1:])

    def take(self, name: str, one: Decoded) -> bool:
        taken = super().take(name, one)
        if taken and self._decoder.converts(one):
            self._converted.append(f"{name} ({told(one.rate, one.channels)})")
        return taken

    def described(self, form: Form) -> str:
        return f"{form.rate:,} samples a second with {plural(form.shape[0], 'value')}"

    def remedy(self) -> str:
        rate = max(self.rates, key=lambda rate: (self.rates[rate], rate))
        remedies = [f"{{type: resample, rate: {rate}}}"] * (len({form.rate for form in self.forms}) > 1)
        return f"put {' and '.join([*remedies, *['{type: mono}'] * (len(self.channels) > 1)])}"

    @property
    def notes(self) -> list[str]:
        notes = super().notes
        if self._converted:
            notes.append(converted(self._decoder, len(self._converted), self.count, self._converted[0]))
        return notes


def converted(decoder: SoundDecoder, count: int, total: int, example: str) -> str:
    """That sounds were not as those of training, which they were made like."""
    return (
        f"{count:,} of {total:,} sounds were converted, such as {example}: training had "
        f"{told(decoder.rate, decoder.channels)}"
    )


def told(rate: int | None, channels: int | None) -> str:
    """A rate and a number of channels, for messages."""
    parts = [f"{rate:,} samples a second"] if rate else []
    return ", ".join([*parts, *([f"{plural(channels, 'channel')}"] if channels else [])])
