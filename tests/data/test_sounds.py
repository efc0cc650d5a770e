"""Folders and tables of sounds become samples of any length, and whatever is wrong with them is said at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.data import Split, prepare
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.prepared import Prepared
from dist_bp.data.preprocess.deltas import Deltas
from dist_bp.data.preprocess.log_mel import LogMel
from dist_bp.data.preprocess.mfcc import Mfcc
from dist_bp.data.preprocess.mono import Mono
from dist_bp.data.preprocess.resample import Resample
from dist_bp.data.preprocess.resize import Resize
from dist_bp.data.preprocess.standardize import Standardize
from dist_bp.data.sounds import shown
from dist_bp.data.sounds.shown import has_spectrograms, spectrograms
from dist_bp.data.sources.base import Source
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.npy import NpySource
from dist_bp.data.sources.npz import NpzSource
from dist_bp.data.sources.sound_folder import SoundFolderSource
from dist_bp.errors import ConfigError, DataError
from dist_bp.signals import Field
from tests.sounds.noises import tone, write

pytestmark = pytest.mark.usefixtures("workplace")

SPLIT = Split(0.25)


def make(source: Source, *steps: Any, split: Split = SPLIT) -> Prepared:
    return prepare(source, split, steps, seed=1, dtype="float32", directory="prepared")


def problems(source: Source, *steps: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        make(source, *steps)
    return caught.value.problems


def hums(folder: str = "hums", each: int = 4, **options: Any) -> SoundFolderSource:
    """Of the classes low and high, of several lengths."""
    for name, hertz in (("low", 200), ("high", 900)):
        for number in range(each):
            write(f"{folder}/{name}/{number}.wav", tone(hertz, 0.2 + number / 10), **options)
    return SoundFolderSource("hums")


def test_a_folder_for_each_class() -> None:
    prepared = make(hums())
    assert prepared.schema.classes == ("high", "low")
    assert prepared.schema.inputs == Field((1,), "float", True)
    stored = prepared.split("train").inputs
    assert sorted(np.diff(stored.offsets).tolist()) == [1600, 1600, 2400, 3200, 4000, 4000][: len(stored)] or len(
        stored
    )
    for row, label in enumerate(prepared.split("train").targets):
        values = stored.values[stored.offsets[row] : stored.offsets[row + 1], 0]
        np.testing.assert_allclose(values, tone((900, 200)[label], len(values) / 8000), atol=1e-4)


def test_features_are_standardized_and_saved_with_the_model() -> None:
    prepared = make(hums(subtype="FLOAT"), LogMel(bands=10), Deltas(), Standardize())
    assert prepared.schema.inputs == Field((20,), "float", True)
    stored = prepared.split("train").inputs
    np.testing.assert_allclose(stored.values.mean(axis=0), 0, atol=1e-3)
    again = Pipeline.from_dict(prepared.pipeline.to_dict())
    assert again.decoder == prepared.pipeline.decoder
    assert (again.decoder.rate, again.decoder.channels) == (8000, 1)  # type: ignore[union-attr]
    found = again.transform(["hums/high/0.wav", (tone(900, 0.2), 8000), Path("hums/high/0.wav").read_bytes()])
    first, second, third = np.split(found.values, found.offsets[1:-1])
    assert np.array_equal(first, third)
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_classes_and_test_set_are_told_by_names() -> None:
    for digit in "01":
        for speaker in ("ann", "bob"):
            for number in range(4):
                write(f"spoken/{speaker}/{digit}_{speaker}_{number}.wav", tone(200 + 300 * int(digit), 0.1))
    source = SoundFolderSource("spoken", pattern=r".*/(?P<label>\d)_.*", test_pattern=r".*_[01]\.wav")
    prepared = make(source)
    assert prepared.splits == {"train": 6, "validation": 2, "test": 8}
    assert prepared.schema.classes == ("0", "1")
    source = SoundFolderSource("spoken", pattern=r".*/(?P<label>\d)_.*", test_pattern="bob/.*")
    assert make(source).splits["test"] == 8
    assert problems(SoundFolderSource("spoken", pattern=r"(?P<label>\d)_.*"))[0] == (
        "sound file 'spoken/ann/0_ann_0.wav' is not called as data.source.pattern says"
    )
    for wrong, text in (("(", "is no regular expression"), ("(?P<name>x)", r"must have the group \(\?P<label>")):
        with pytest.raises(ConfigError, match=text):
            SoundFolderSource("spoken", pattern=wrong)
    assert problems(SoundFolderSource("spoken", pattern=r".*/(?P<label>\d)_.*", test_pattern="x")) == [
        "data.source.test_pattern: none of the 16 files are so called"
    ]


def test_sounds_of_a_table_and_parts_of_them() -> None:
    write("all.wav", np.concatenate([tone(200, 0.5), tone(900, 0.5)]))
    rows = ["all.wav,0,0.2,low", "all.wav,,0.3,low", "all.wav,0.2,0.5,low", "all.wav,0.1,0.4,low"]
    rows += ["all.wav,0.5,0.9,high", "all.wav,0.6,,high", "all.wav,0.7,0.8,high", "all.wav,0.5,0.6,high"]
    Path("list.csv").write_text("\n".join(["file,begin,stop,name", *rows]))
    source = CsvSource("list.csv", "name", sounds="file", start="begin", end="stop")
    prepared = make(source, split=Split(0.0, 0.0))
    lengths = np.diff(prepared.split("train").inputs.offsets) / 8000
    assert sorted(lengths.round(2).tolist()) == sorted([0.2, 0.3, 0.3, 0.3, 0.4, 0.4, 0.1, 0.1])
    Path("list.csv").write_text("\n".join(["file,begin,stop,name", *rows, "all.wav,0.5,1.2,high"]))
    assert problems(source)[0] == ("sound file 'all.wav', from 0.5 s to 1.2 s, cannot be read: the sound ends at 1 s")


def test_a_table_names_one_kind_of_files() -> None:
    for options, text in (
        ({"sounds": "a", "images": "b"}, "sounds: cannot be given together with images"),
        ({"start": "a"}, "start: is for sounds: name their column with sounds"),
        ({"sounds": "a", "start": "a"}, "a column of its own, 'a' is in start, too"),
        ({"sounds": "a", "end": "y"}, "end: must be a column of its own, 'y' is in target, too"),
    ):
        with pytest.raises(ConfigError, match=text):
            CsvSource("list.csv", "y", **options)  # type: ignore[arg-type]


def test_what_cannot_be_read_is_named_or_skipped() -> None:
    hums()
    write("hums/low/silent.wav", np.zeros(800))
    write("hums/low/none.wav", np.zeros(0))
    Path("hums/high/empty.wav").touch()
    found = problems(SoundFolderSource("hums"))
    assert found == [
        "sound file 'hums/high/empty.wav' cannot be read: it is empty",
        "sound file 'hums/low/none.wav' cannot be read: it holds no samples",
        "sound file 'hums/low/silent.wav' cannot be read: it is silent from beginning to end",
        "3 of 11 sounds cannot be read: remove them, or pass them over with data.source.unreadable: skip",
    ]
    prepared = make(SoundFolderSource("hums", unreadable="skip"))
    assert sum(prepared.splits.values()) == 8
    assert prepared.notes[0].startswith("3 of 11 sounds cannot be read, which were skipped: sound file")


def test_sounds_that_are_not_alike() -> None:
    source = hums()
    write("hums/low/fast.wav", np.stack([tone(200, rate=16000)] * 2, axis=1), 16000)
    assert problems(source) == [
        "the sounds are not alike: 8 of 8,000 samples a second with 1 value, such as 'hums/high/0.wav'; 1 of 16,000 "
        "samples a second with 2 values, such as 'hums/low/fast.wav': put {type: resample, rate: 8000} and "
        "{type: mono} first in data.preprocess"
    ]
    prepared = make(source, Mono(), Resample(8000))
    assert sum(prepared.splits.values()) == 9
    assert prepared.pipeline.decoder.rate is None  # type: ignore[union-attr]


def test_another_rate_is_converted_and_said_once() -> None:
    prepared = make(hums(), LogMel(bands=10))
    same = prepared.pipeline.transform([(tone(200), 8000)])
    fast = np.stack([tone(200, rate=16000)] * 2, axis=1)
    with pytest.warns(
        UserWarning, match=r"2 of 3 sounds were converted, such as .*16,000 samples a second, 2 channels"
    ) as told:
        found = prepared.pipeline.transform([(fast, 16000), (tone(200), 8000), (fast, 16000)])
    assert len(told) == 1
    assert str(told[0].message).endswith("training had 8,000 samples a second, 1 channel")
    middle = slice(5, 40)
    np.testing.assert_allclose(found.values[middle, 2], same.values[middle, 2], atol=0.2)


def signals(count: int = 12) -> tuple[list[Any], Any]:
    """Tones of two classes and several lengths."""
    return [tone((200, 900)[row % 2], 0.1 + row / 100) for row in range(count)], np.arange(count) % 2


def test_arrays_with_a_rate_are_sounds() -> None:
    arrays, labels = signals()
    for row, samples in enumerate(arrays):
        write(f"files/{'ab'[labels[row]]}/{row:02}.wav", samples, subtype="FLOAT")
    lengths = [*map(len, arrays)]
    np.savez("a.npz", x=np.concatenate(arrays).astype(np.float32), x_lengths=lengths, y=labels)
    whole = np.rint(np.concatenate(arrays) * 2**15).astype(np.int16)
    np.savez("b.npz", x=whole, x_lengths=lengths, y=labels)
    everything = Split(0.0, 0.0)
    steps = LogMel(bands=10), Deltas()
    found = make(NpzSource("a.npz", rate=8000), *steps, split=everything)
    assert (found.pipeline.decoder.rate, found.pipeline.decoder.channels) == (8000, 1)  # type: ignore[union-attr]
    files = make(SoundFolderSource("files"), *steps, split=everything).split("train").inputs
    order = np.argsort(labels, kind="stable")
    mine = found.split("train").inputs
    np.testing.assert_array_equal(mine.taken(order).values, files.values)
    assert make(NpzSource("b.npz", rate=8000), *steps, split=everything).splits == found.splits
    stored = make(NpzSource("b.npz", rate=8000), split=everything).split("train").inputs
    np.testing.assert_allclose(stored.values[:, 0], np.concatenate(arrays), atol=2**-15)
    np.save("x.npy", np.stack([samples[:800] for samples in arrays]))
    np.save("y.npy", labels)
    assert make(NpySource("x.npy", "y.npy", rate=8000)).schema.inputs == Field((1,), "float", True)
    with pytest.raises(ConfigError, match="rate: is for one array of sounds"):
        NpzSource("a.npz", {"a": "x"}, rate=8000)
    with pytest.raises(ConfigError, match="unreadable: is for sounds"):
        NpzSource("a.npz", unreadable="skip")
    with pytest.raises(ConfigError, match="unreadable: is for sounds"):
        NpySource("x.npy", "y.npy", unreadable="skip")


def test_arrays_that_are_no_sounds_are_named_all_at_once() -> None:
    arrays = np.stack([tone(200, 0.1)] * 5)
    arrays[1, 3], arrays[2], arrays[4] = np.nan, 0.0, arrays[4] * 2**15
    np.save("x.npy", arrays)
    np.save("y.npy", [0, 1, 0, 1, 0])
    assert problems(NpySource("x.npy", "y.npy", rate=8000)) == [
        "the sound in row 1 (counted from 0) of 'x.npy' cannot be read: it holds values that are not finite",
        "the sound in row 2 (counted from 0) of 'x.npy' cannot be read: it is silent from beginning to end",
        "the sound in row 4 (counted from 0) of 'x.npy' cannot be read: it holds numbers up to 16,384, and samples in "
        "float64 lie from -1 to 1: divide them by what stands for 1, such as 32,768, or make them int16",
        "3 of 5 sounds cannot be read: remove them, or pass them over with data.source.unreadable: skip",
    ]
    assert (
        sum(make(NpySource("x.npy", "y.npy", rate=8000, unreadable="skip"), split=Split(0.0, 0.0)).splits.values()) == 2
    )
    np.save("x.npy", arrays[:1].astype(np.int64).repeat(5, axis=0))
    assert "int64 is no type of samples: make it int16" in problems(NpySource("x.npy", "y.npy", rate=8000))[0]
    np.save("x.npy", arrays[0, :5])
    assert "has one sample in each row" in problems(NpySource("x.npy", "y.npy", rate=8000))[0]


def test_steps_in_an_order_that_makes_no_sense() -> None:
    source = hums()
    assert problems(source, LogMel(), Mono()) == ["preprocess step mono works on samples: put it before log_mel"]
    assert problems(source, Deltas()) == [
        "preprocess step deltas works on positions: put log_mel, mfcc or frames before it"
    ]
    assert problems(source, LogMel(), Mfcc()) == [
        "preprocess step log_mel and mfcc both make positions of samples: keep one"
    ]
    assert problems(source, Resize(8)) == ["preprocess step resize is for images, and the source gives sounds"]
    assert "must come first" in problems(source, Standardize(), LogMel())[0]


def test_spectrograms_are_shown_with_time_to_the_right_and_low_below(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = make(hums(), LogMel(bands=10))
    assert has_spectrograms(prepared)
    rows = np.arange(prepared.splits["train"])
    pictures = spectrograms(prepared, "train", rows)
    stored = prepared.split("train").inputs
    lengths = np.diff(stored.offsets)
    assert pictures.shape == (len(rows), 10, lengths.max(), 1)
    for row, picture in enumerate(pictures[..., 0]):
        sample = stored.values[stored.offsets[row] : stored.offsets[row + 1]]
        assert (picture[:, lengths[row] :] == 255).all()
        place, band = np.unravel_index(sample.argmax(), sample.shape)
        assert picture[9 - band, place] == 0
    monkeypatch.setattr(shown, "WIDEST", 9)
    small = spectrograms(prepared, "train", rows)
    assert small.shape[2] <= 9
    assert not has_spectrograms(make(SoundFolderSource("hums")))


def test_a_column_that_names_sounds_is_told_from_categories() -> None:
    Path("list.csv").write_text("file,name\n" + "\n".join(f"{number}.wav,{number % 2}" for number in range(8)))
    assert problems(CsvSource("list.csv", "name")) == [
        "column 'file' holds names of sound files: name it in data.source.sounds to learn from the sounds themselves, "
        "or leave it out (data.source.exclude)"
    ]


def test_what_is_wrong_with_all_sounds_is_told_once() -> None:
    (line,) = problems(hums(), LogMel(bands=300))
    assert line.startswith("sound file 'hums/high/0.wav' has 8,000 samples a second, of which a window of ")
    assert line.endswith(": take fewer bands, or a longer window (7 more sounds like it)")


def test_sequences_of_labels_are_called_by_their_files() -> None:
    lengths = {f"{number}.wav": 0.2 + number / 10 for number in range(8)}
    for name, seconds in lengths.items():
        write(name, tone(200, seconds))
    Path("none.wav").touch()
    names = ["0.wav", "none.wav", *[*lengths][1:]]
    Path("list.csv").write_text("\n".join(["file,said", *(f"{name},a b" for name in names)]))
    source = CsvSource("list.csv", "said", sounds="file", unreadable="skip")
    prepared = prepare(source, SPLIT, [], 1, "float32", "prepared", task="classification", labels="sequence")
    for split in prepared.splits:
        sizes = np.diff(prepared.split(split).inputs.offsets)
        called = prepared.names(split, np.arange(len(sizes)))
        np.testing.assert_allclose([lengths[name.strip("'")] for name in called], sizes / 8000)
