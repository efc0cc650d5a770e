"""Sound files of several kinds are opened alike, and what is no whole sound is refused with a reason."""

import math
import struct
from pathlib import Path

import numpy as np
import pytest

from dist_bp.errors import DataError
from dist_bp.media.decoder import Clip, Unreadable
from dist_bp.sounds.opening import open_sound
from tests.sounds.noises import content, tone, write

STEREO = np.stack([tone(300), tone(500)], axis=1)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_files_of_several_kinds(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, STEREO, 16000)
    values, rate = open_sound(tmp_path / name)
    assert (rate, values.dtype, values.shape) == (16000, np.float32, STEREO.shape)
    exact = name.endswith(("wav", "flac"))
    assert np.abs(values - STEREO).max() < (1e-4 if exact else 0.2)
    assert np.array_equal(open_sound((tmp_path / name).read_bytes()).values, values)


def test_arrays_with_their_rate() -> None:
    assert np.array_equal(open_sound((STEREO, 8000)).values, STEREO.astype(np.float32))
    whole = np.array([-(2**15), 0, 2**14], np.int16)
    assert open_sound((whole, 8000)).values.tolist() == [[-1.0], [0.0], [0.5]]
    assert open_sound([np.array([0, 128, 192], np.uint8), 8000.0]) == (
        pytest.approx(np.array([[-1], [0], [0.5]])),
        8000,
    )


def test_a_part_of_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "a.wav")
    write(path, tone(300), 8000, "FLOAT")
    whole = open_sound(path).values
    assert np.array_equal(open_sound(Clip(path, 0.1, 0.25)).values, whole[800:2000])
    assert np.array_equal(open_sound(Clip(path, 0.1, None)).values, whole[800:])
    assert np.array_equal(open_sound(Clip((whole, 8000), 0.1, 0.25)).values, whole[800:2000])
    for start, end in ((0.1, 0.6), (0.5, None), (0.1, 1e308), (1e307, 1e308)):
        with pytest.raises(Unreadable, match=r"from \S+ s to .*, cannot be read: the sound ends at 0.5 s"):
            open_sound(Clip(path, start, end))
    for start, end in ((0.2, 0.1), (0.1, math.inf), (0.1, math.nan), (math.nan, 0.1), (-1.0, 0.1)):
        with pytest.raises(Unreadable, match="must begin at 0 s or later, and end after that"):
            open_sound(Clip(path, start, end))


def test_a_part_of_a_file_of_any_size(tmp_path: Path) -> None:
    """Four hours, of which nothing but the part is read."""
    path, size, first = tmp_path / "long.wav", 2 * 8000 * 3600 * 4, 2 * 8000 * 3600 * 3
    form = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + size) + form + b"data" + struct.pack("<I", size)
    with path.open("wb") as file:
        file.write(head)
        file.seek(len(head) + first)
        file.write((tone(300) * 2**15).astype("<i2").tobytes())
        file.truncate(len(head) + size)
    found = open_sound(Clip(str(path), 3 * 3600.0, 3 * 3600 + 0.5))
    np.testing.assert_allclose(found.values[:, 0], tone(300), atol=1e-4)


WAV, FLAC, MP3, OGG = (content(tone(300, 2.0), format=name) for name in ("WAV", "FLAC", "MP3", "OGG"))
BROKEN = {
    "empty": (b"", "it is empty"),
    "text": (b"no sound" * 99, "it is no whole WAV, FLAC, Ogg or MP3"),
    "wav cut off": (WAV[: len(WAV) // 2], "it is truncated: its header announces 32,000 bytes, there are 15,9"),
    "flac cut off": (FLAC[: len(FLAC) // 2], "it is no whole WAV, FLAC, Ogg or MP3"),
    "mp3 cut off": (MP3[: len(MP3) // 2], "it is truncated: its header announces 16,000 samples, there are "),
    "ogg cut off": (OGG[: len(OGG) // 2], "it "),
    "no samples": (content(np.zeros(0)), "it holds no samples"),
    "silent": (content(np.full(80, 0.25)), "it is silent from beginning to end"),
    "not finite": (content(np.array([0.1, np.nan, 0.2]), subtype="FLOAT"), "it holds values that are not finite"),
    "another kind": (content(tone(300), format="AIFF"), "it is AIFF, not WAV, FLAC, Ogg or MP3"),
    "slow": (content(tone(300), 10), "its rate must be 100 to 768,000 samples a second, not 10"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_whole_sound_is_refused(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    data, reason = BROKEN[name]
    path = tmp_path / "x.wav"
    path.write_bytes(data)
    with pytest.raises(Unreadable) as caught:
        open_sound(str(path))
    assert str(caught.value).startswith(f"sound file {str(path)!r} cannot be read: {reason}")
    capfd.readouterr()


def test_what_is_not_there_or_nothing_of_the_kind(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"cannot be read: No such file"):
        open_sound(tmp_path / "x.wav")
    with pytest.raises(DataError, match="it is ndarray: say how many samples a second it has"):
        open_sound(tone(300))
    with pytest.raises(Unreadable, match="lies on its side"):
        open_sound((STEREO.T, 8000))
    for rate in (0, 0.5, -8000, math.inf, math.nan, np.float32(np.inf), 10**400):
        with pytest.raises(Unreadable, match="the rate must be a whole number"):
            open_sound((STEREO, rate))
