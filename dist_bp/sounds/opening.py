"""From a file, bytes or an array with its rate to samples in [-1, 1]."""

import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from dist_bp.errors import DataError
from dist_bp.files import open_file
from dist_bp.media.decoder import Clip, Item, Recording, Unreadable
from dist_bp.media.faults import not_read, too_little_memory
from dist_bp.sounds.limits import HIGHEST_RATE, LOWEST_RATE, MOST_VALUES
from dist_bp.sounds.sound import Sound
from dist_bp.types import Array

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "MPEG")
"""What libsndfile calls them."""
LOUDEST = 16.0
"""Of samples that are no whole numbers: decoders and filters give more than 1, but little more."""
UNKNOWN_BYTES = 0x7FFF0000
"""A WAV file whose header announces as many was written before its length was known."""
LARGEST_WHOLE = 2**53
"""Up to which a float is each whole number."""
SHORT = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)


def open_sound(item: Item, name: str = "") -> Sound:
    """The samples of a path, the bytes of a file, a pair (array, rate), or a `Clip` of one of them.

    Whole numbers of an array are those of PCM: int16 is divided by 2**15, uint8 is 0 at 128; others lie from -1 to 1.
    Raises Unreadable, with
    `name` or the path, for what is no whole sound, is empty or silent, or holds numbers that are not finite, and
    another DataError where not the file is the reason: too little memory, a disk that fails.
    """
    source, start, end = item if isinstance(item, Clip) else (item, 0.0, None)
    try:
        return _opened(source, start, end, name)
    except MemoryError as error:
        raise too_little_memory(name or name_of(item)) from error
    except OSError as error:
        raise not_read(error, name or name_of(item)) from error
    except _NotASound as error:
        raise Unreadable(f"{name or name_of(item)} cannot be read: {error}") from error


def name_of(item: Item) -> str:
    """A sound, for messages."""
    if isinstance(item, Recording):
        return item.name
    if isinstance(item, Clip):
        end = "its end" if item.end is None else f"{item.end:g} s"
        return f"{name_of(item.file)}, from {item.start:g} s to {end},"
    return f"sound file {str(item)!r}" if isinstance(item, str | Path) else "a sound"


class _NotASound(Exception):
    """Says why."""


def _opened(source: Any, start: float, end: float | None, name: str) -> Sound:
    if isinstance(source, str | Path):
        with open_file(source) as file:  # of any size: the part that is read has a limit
            return _audible(_decoded(file, start, end))
    if isinstance(source, bytes | bytearray | memoryview):
        return _audible(_decoded(io.BytesIO(source), start, end))
    if isinstance(source, Recording):
        source = source[:2]
    if isinstance(source, tuple | list) and len(source) == 2 and isinstance(source[1], int | float | np.number):
        sound = _of_array(np.asarray(source[0]), source[1])
        first, last = _range(start, end, sound.rate, len(sound.values))
        return _audible(Sound(sound.values[first:last], sound.rate))
    raise DataError(
        f"{name or 'a sound'} must be a path, the bytes of a file, or a pair of an array and its rate, it is "
        f"{type(source).__name__}" + (": say how many samples a second it has" * isinstance(source, np.ndarray))
    )


def _audible(sound: Sound) -> Sound:
    if not LOWEST_RATE <= sound.rate <= HIGHEST_RATE:
        raise _NotASound(f"its rate must be {LOWEST_RATE:,} to {HIGHEST_RATE:,} samples a second, not {sound.rate:,}")
    if not len(sound.values):
        raise _NotASound("it holds no samples")
    if not np.isfinite(sound.values).all():
        raise _NotASound("it holds values that are not finite")
    if (sound.values == sound.values[0]).all():
        raise _NotASound("it is silent from beginning to end")
    return sound


def _decoded(file: Any, start: float, end: float | None) -> Sound:
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            if sound.format not in FORMATS:
                raise _NotASound(f"it is {sound.format}, not WAV, FLAC, Ogg or MP3")
            _check_whole(sound)
            first, last = _range(start, end, sound.samplerate, sound.frames)
            if (last - first) * sound.channels > MOST_VALUES:
                raise _NotASound(f"it has more than the {MOST_VALUES:,} samples that a sound may have")
            sound.seek(first)
            values = sound.read(last - first, dtype="float32", always_2d=True)
            if len(values) < last - first:
                raise _NotASound(_truncated(f"{sound.frames:,} samples", f"{first + len(values):,}"))
            return Sound(values, sound.samplerate)
    except soundfile.LibsndfileError as error:
        empty = file.seek(0, io.SEEK_END) == 0
        reason = "it is empty" if empty else f"it is no whole WAV, FLAC, Ogg or MP3 ({error.error_string.rstrip('.')})"
        raise _NotASound(reason) from None


def _check_whole(sound: Any) -> None:
    """libsndfile reads what there is of a WAV file, and says so in its log alone."""
    found = SHORT.search(sound.extra_info)
    if found and int(found[2]) < int(found[1]) < UNKNOWN_BYTES:
        raise _NotASound(_truncated(f"{int(found[1]):,} bytes", f"{int(found[2]):,}"))


def _truncated(announced: str, there: str) -> str:
    return f"it is truncated: its header announces {announced}, there are {there}"


def _range(start: float, end: float | None, rate: int, samples: int) -> tuple[int, int]:
    """The first sample of a part, and the one behind its last."""
    if not (math.isfinite(start) and start >= 0) or (end is not None and not (math.isfinite(end) and end > start)):
        raise _NotASound("a part must begin at 0 s or later, and end after that")
    first, last = (samples if at is None else round(min(at * rate, samples + 1)) for at in (start, end))
    if first >= samples > 0 or last > samples:
        raise _NotASound(f"the sound ends at {samples / rate:g} s")
    return first, last


def _of_array(array: Array, rate: Any) -> Sound:
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuf":
        raise _NotASound(
            f"an array must hold numbers (samples,) or (samples, channels), this one is {array.dtype} {array.shape}"
        )
    if not 0 < rate < LARGEST_WHOLE or rate != int(rate):
        raise _NotASound(f"the rate must be a whole number of samples a second, not {rate}")
    values = array[:, np.newaxis] if array.ndim == 1 else array
    if values.shape[1] > len(values) > 0:
        raise _NotASound(f"an array must be (samples, channels), this one is {array.shape}: it lies on its side")
    if values.dtype in (np.int64, np.uint64):
        raise _NotASound(f"{values.dtype} is no type of samples: make it int16, or numbers from -1 to 1")
    loudest = np.abs(values).max(initial=0) if values.dtype.kind == "f" else 0
    if LOUDEST < loudest < np.inf:
        raise _NotASound(
            f"it holds numbers up to {loudest:,.0f}, and samples in {values.dtype} lie from -1 to 1: divide them by "
            "what stands for 1, such as 32,768, or make them int16"
        )
    if values.dtype.kind in "iu":
        bits = 8 * values.dtype.itemsize - 1
        zero = 0 if values.dtype.kind == "i" else 2**bits
        values = (values.astype(np.float64) - zero) / 2**bits
    return Sound(np.ascontiguousarray(values, np.float32), int(rate))
