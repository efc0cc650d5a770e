"""Sounds are decoded by processes, and from parcels, to the same bits as by this one."""

from pathlib import Path

import numpy as np
import pytest

from dist_bp.media import files
from dist_bp.media.crew import Items
from dist_bp.media.decoder import Clip, Unreadable
from dist_bp.media.files import decode_files
from dist_bp.media.parcels import decode_parcel, parcels
from dist_bp.media.processes import Processes
from dist_bp.sounds.decoder import SoundDecoder
from dist_bp.sounds.operations import LogMel, Resampled, WithDeltas
from tests.sounds.noises import write

MEL = LogMel(0.025, 0.01, 20, 20.0, None, 1e-6)
DECODER = SoundDecoder((Resampled(8000), MEL, WithDeltas(2, 1)), 16000, 1)


@pytest.fixture
def items(tmp_path: Path) -> Items:
    """Sounds of several lengths, parts of one, and a file that is none."""
    draw = np.random.default_rng(0)
    found: list[str | Clip] = []
    for number in range(40):
        path = str(tmp_path / f"{number}.wav")
        write(path, draw.normal(0, 0.1, 4000 + 531 * number), 16000)
        found.append(path)
    (tmp_path / "7.wav").write_text("nothing")
    return [*found, Clip(found[30], 0.2, 0.9), Clip(found[30], 0.5, None), Clip(found[30], 0.5, 9.0)]


def check_same(mine: list, theirs: list) -> None:
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        if isinstance(one, Unreadable):
            assert isinstance(other, Unreadable)
            assert str(other) == str(one)
        else:
            assert other.sound.values.dtype == np.float32
            assert np.array_equal(one.sound.values, other.sound.values)
            assert (one.sound.rate, one.rate, one.channels) == (other.sound.rate, other.rate, other.channels)


def test_processes_give_the_same_as_this_one(items: Items, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [one for some in decode_files(DECODER, items, crew=Processes(0)) for one in some]
    assert [place for place, one in enumerate(alone) if isinstance(one, Unreadable)] == [7, 42]
    monkeypatch.setattr(files, "ALONE_SECONDS", 0.0)
    check_same(alone, [one for some in decode_files(DECODER, items, crew=Processes(2)) for one in some])


def test_parcels_hold_files_and_say_which_part_is_meant(items: Items) -> None:
    alone = [one for some in decode_files(DECODER, items, crew=Processes(0)) for one in some]
    check_same(alone, [one for parcel in parcels(items, 9) for one in decode_parcel(DECODER, parcel, None)])
