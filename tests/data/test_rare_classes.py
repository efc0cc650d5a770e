"""Classes of which a split has too few samples are told, whatever the samples are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dist_bp.data import Prepared, Split, prepare
from dist_bp.data.preprocess.log_mel import LogMel
from dist_bp.data.preprocess.tokenize import Tokenize
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.image_folder import ImageFolderSource
from dist_bp.data.sources.lines import LinesSource
from dist_bp.data.sources.npz import NpzSource
from dist_bp.data.sources.sound_folder import SoundFolderSource
from dist_bp.data.sources.text import TextSource
from dist_bp.data.split import split_indices
from tests.sounds.noises import tone, write

pytestmark = pytest.mark.usefixtures("workplace")

OFTEN = ["a"] * 20 + ["b"] * 20
ONCE = "rare classes: 1 once in the training split ('once'); 1 never in the validation split ('once')"


def rare(source: Any, *steps: Any, split: Split | None = None, **options: Any) -> list[str]:
    arguments = {"seed": 3, "dtype": "float32", "directory": "prepared"} | options
    prepared: Prepared = prepare(source, split or Split(0.2, 0.0), steps, **arguments)
    return [line for line in prepared.notes if line.startswith("rare classes")]


def table(labels: list[str], path: str = "t.csv") -> str:
    Path(path).write_text("x,y\n" + "".join(f"{row}.5,{label}\n" for row, label in enumerate(labels)))
    return path


def test_a_class_that_occurs_once_in_a_table_is_told() -> None:
    assert rare(CsvSource(table([*OFTEN, "once"]), "y")) == [ONCE]
    assert rare(CsvSource(table(OFTEN), "y")) == []


def test_a_class_that_occurs_once_among_texts_is_told() -> None:
    Path("t.txt").write_text("".join(f"{label} some text {row}\n" for row, label in enumerate([*OFTEN, "once"])))
    source = LinesSource("t.txt")
    assert rare(source, Tokenize()) == [ONCE]


def test_a_class_that_occurs_once_among_sounds_is_told() -> None:
    for number, name in enumerate([*["a"] * 5, *["b"] * 5, "once"]):
        write(f"hums/{name}/{number}.wav", tone(300, 0.1))
    assert rare(SoundFolderSource("hums"), LogMel(bands=4)) == [ONCE]


def test_a_class_that_occurs_once_among_images_is_told() -> None:
    for number, name in enumerate([*["a"] * 5, *["b"] * 5, "once"]):
        Path("pets", name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(f"pets/{name}/{number}.png")
    assert rare(ImageFolderSource("pets")) == [ONCE]


def test_a_class_that_training_never_sees_is_told() -> None:
    for number, name in enumerate("ab" * 8 + "c"):
        write(f"hums/train/{name}/{number}.wav", tone(300, 0.1))
    for name in "abc":
        write(f"hums/test/{name}/0.wav", tone(300, 0.1))
    split = Split(0.4, 0.0, stratify=False)
    drawn = [rare(SoundFolderSource("hums"), LogMel(bands=4), split=split, seed=seed) for seed in (0, 1)]
    assert {line for (line,) in drawn} == {
        "rare classes: 1 never in the training split ('c'), of which nothing is learnt",
        ONCE.replace("once'", "c'"),
    }


def test_labels_of_positions_are_counted_too() -> None:
    labels = np.arange(40 * 5).reshape(40, 5) % 3
    labels[split_indices(40, Split(0.2, 0.2), 3)["train"][0], 2] = 9
    np.savez("t.npz", x=np.random.default_rng(0).normal(size=(40, 5, 2)), y=labels)
    (line,) = rare(NpzSource("t.npz"), split=Split(0.2, 0.2), task="classification", labels="position")
    assert line == (
        "rare classes: 1 once in the training split ('9'); 1 never in the validation split ('9'); "
        "1 never in the test split ('9')"
    )


def test_of_many_classes_and_long_names_the_first_are_named() -> None:
    (line,) = rare(CsvSource(table([*OFTEN, *(f"{letter * 50}" for letter in "cdefghijklm")]), "y"))
    named = ", ".join(repr(f"{letter * 30}...") for letter in "cdefghij")
    assert line.startswith(f"rare classes: 11 once in the training split ({named} and 3 more); 11 never in the valid")


def test_amounts_and_the_tokens_of_a_language_model_are_no_classes() -> None:
    Path("t.csv").write_text("x,y\n" + "".join(f"{row}.5,{row}.25\n" for row in range(30)))
    assert rare(CsvSource("t.csv", "y")) == []
    Path("t.txt").write_text("abcab" * 30 + "z")
    assert rare(TextSource("t.txt", 8), Tokenize(by="characters")) == []
