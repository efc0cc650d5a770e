"""A table that names images and has other columns: both are inputs of the network, row for row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dist_bp.data import Prepared, Split, prepare
from dist_bp.data.coded import Coded
from dist_bp.data.images.shown import shown_images
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.preprocess.categories import CategoriesStep
from dist_bp.data.preprocess.impute import Impute
from dist_bp.data.preprocess.min_max import MinMax
from dist_bp.data.preprocess.one_hot import OneHot
from dist_bp.data.preprocess.resize import Resize
from dist_bp.data.preprocess.scale import Scale
from dist_bp.data.preprocess.standardize import Standardize
from dist_bp.data.preprocess.tokenize import Tokenize
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.errors import ConfigError, DataError

CITIES = ["Bergen", "Oslo", "Tromso"]
SHAPE = (4, 6, 1)
COUNT = 24


@pytest.fixture(autouse=True)
def in_folder(workplace: Path) -> None:
    """All paths are relative."""


def houses(path: str = "sale/houses.csv", count: int = COUNT) -> pd.DataFrame:
    """House i has a photo of brightness i, i rooms, the weight i + 1 and the price 1000 i."""
    folder = Path(path).parent
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(np.full(SHAPE[:2], number, np.uint8)).save(folder / f"photos/{number}.png")
    rows = np.arange(count)
    frame = pd.DataFrame(
        {
            "id": [f"h{number}" for number in rows],
            "photo": [f"photos/{number}.png" for number in rows],
            "rooms": rows,
            "city": [CITIES[number % 3] for number in rows],
            "remark": ["x"] * count,
            "weight": rows + 1.0,
            "price": rows * 1000,
        }
    )
    frame.to_parquet(path) if path.endswith("parquet") else frame.to_csv(path, index=False)
    return frame


def source(path: str = "sale/houses.csv", **options: Any) -> Any:
    kind = ParquetSource if path.endswith("parquet") else CsvSource
    beside = {"images": "photo", "features": "all", "exclude": ["remark"], "id_column": "id", "weights": "weight"}
    return kind(path, "price", **{**beside, **options})


def make(*steps: Any, split: Split = Split(0.25, 0.0), of: Any = None, **options: Any) -> Prepared:  # noqa: B008
    of = of or source(**options)
    return prepare(of, split, steps, seed=1, dtype="float64", directory="prepared", task="regression", transform="none")


def whole(prepared: Prepared, split: str = "train") -> Any:
    return next(iter(prepared.split(split).blocks(0, prepared.splits[split], 100)))


def problems(*steps: Any, **options: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        make(*steps, **options)
    return caught.value.problems


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_photos_numbers_and_categories_of_a_row_stay_together(suffix: str) -> None:
    houses(f"sale/houses.{suffix}")
    prepared = make(Scale(1 / 255, input="photo"), OneHot(), path=f"sale/houses.{suffix}")
    assert {name: field.shape for name, field in prepared.schema.inputs.items()} == {"numbers": (4,), "photo": SHAPE}  # type: ignore[union-attr]
    seen = []
    for split in ("train", "validation"):
        batch = whole(prepared, split)
        number = batch.targets[:, 0] / 1000
        np.testing.assert_array_equal(batch.weights, number + 1)
        np.testing.assert_array_equal(batch.inputs["numbers"][:, 0], number)
        np.testing.assert_array_equal(batch.inputs["numbers"][:, 1:].argmax(axis=1), number % 3)
        np.testing.assert_array_equal(batch.inputs["photo"], np.ones(SHAPE) * (number / 255)[:, None, None, None])
        seen += number.tolist()
    assert sorted(seen) == list(range(COUNT))
    assert prepared.notes[-1] == "left out: id, remark"


def test_pixels_stay_bytes_and_are_shown() -> None:
    houses()
    prepared = make(Scale(1 / 255, input="photo"), OneHot())
    stored = prepared.split("train").inputs["photo"]
    assert isinstance(stored, Coded)
    assert stored.codes.dtype == np.uint8
    shown = shown_images(prepared, "train", np.array([0, 3]))
    assert shown is not None
    np.testing.assert_array_equal(shown[:, 0, 0, 0], prepared.split("train").targets[[0, 3], 0] / 1000)


def test_features_in_their_order_and_inputs_of_categories() -> None:
    houses()
    prepared = make(CategoriesStep(), Standardize(columns=["rooms"]), features=["city", "rooms"])
    batch = whole(prepared)
    number = batch.targets[:, 0] / 1000
    assert list(batch.inputs) == ["numbers", "photo", "city"]
    np.testing.assert_array_equal(batch.inputs["city"], number % 3 + 1)
    np.testing.assert_array_equal(batch.inputs["photo"][:, 0, 0, 0], number)
    np.testing.assert_allclose(batch.inputs["numbers"][:, 0], (number - number.mean()) / number.std())


def test_categories_alone_beside_photos_leave_no_numbers() -> None:
    houses()
    prepared = make(CategoriesStep(), Scale(), features=["city"])
    assert list(whole(prepared).inputs) == ["photo", "city"]
    np.testing.assert_allclose(whole(prepared).inputs["photo"][:, 0, 0, 0] * 255, whole(prepared).targets[:, 0] / 1000)


def test_a_skipped_photo_takes_its_row_along_in_all_inputs() -> None:
    houses()
    houses("later/houses.csv", 5)
    Path("sale/photos/0.png").write_text("no")
    Path("later/photos/3.png").write_text("no")
    (*_, line) = problems(OneHot())
    assert line.startswith("1 of 24 images cannot be read")
    prepared = make(Resize((2, 3)), OneHot(), unreadable="skip", test_path="later/houses.csv")
    assert (sum(prepared.splits.values()), prepared.splits["test"]) == (23 + 4, 4)
    for split in prepared.splits:
        batch = whole(prepared, split)
        number = batch.targets[:, 0] / 1000
        for found in (batch.weights - 1, batch.inputs["numbers"][:, 0], batch.inputs["photo"][:, 1, 1, 0]):
            np.testing.assert_array_equal(found, number)
    example = prepared.example()
    assert list(example["rooms"]) == [1, 2, 3, 4, 5]
    assert all(prepared.pipeline.transform(example)["photo"][:, 0, 0, 0] == example["rooms"])


def test_gaps_are_dropped_or_filled_in_the_table_alone() -> None:
    frame = houses()
    frame["rooms"] = frame["rooms"].astype(float)
    frame.loc[3, "rooms"] = np.nan
    frame.loc[4, "city"] = None
    frame.to_csv("sale/houses.csv", index=False)
    assert sum(make(OneHot(), missing="drop").splits.values()) == COUNT - 2
    filled = make(Impute("constant", 50.0), Impute("most_frequent", columns=["city"]), OneHot(), missing="impute")
    assert sum(filled.splits.values()) == COUNT
    parts = [whole(filled, split) for split in filled.splits]
    rooms = {int(target): int(rooms) for part in parts for target, rooms in zip(
        part.targets[:, 0] / 1000, part.inputs["numbers"][:, 0], strict=True)}  # fmt: skip
    assert rooms == {number: number if number != 3 else 50 for number in range(COUNT)}
    frame.loc[5, "photo"] = None
    frame.to_csv("sale/houses.csv", index=False)
    assert problems(Impute("constant", 50.0), OneHot(), missing="impute") == [
        "column 'photo' of 'sale/houses.csv' has 1 missing values, first in row 5 (counted from 0): set "
        "data.source.missing: drop, or give the image"
    ]


def test_the_pipeline_takes_tables_with_paths_bytes_and_arrays() -> None:
    frame = houses()
    steps = Resize((2, 3)), Scale(1 / 4, input="photo"), OneHot(), MinMax(input="numbers")
    fitted = make(*steps, split=Split(0.0, 0.0)).pipeline
    pipeline = Pipeline.from_dict(json.loads(json.dumps(fitted.to_dict())))
    some = frame.iloc[[7, 2]].drop(columns=["price", "weight", "id", "remark"])
    paths = ["sale/" + name for name in some["photo"]]
    forms = [paths, [Path(path).read_bytes() for path in paths], [np.asarray(Image.open(path)) for path in paths]]
    for photos in forms:
        column = pd.Series(photos, dtype=object, index=some.index)
        for raw in (some.assign(photo=column), some.assign(photo=column).to_dict("records")):
            made = pipeline.transform(raw)
            np.testing.assert_array_equal(
                made["photo"], np.ones((2, 2, 3, 1)) * np.array([7, 2])[:, None, None, None] / 4
            )
            np.testing.assert_array_equal(made["numbers"], [[7 / (COUNT - 1), 0, 1, 0], [2 / (COUNT - 1), 0, 0, 1]])


@pytest.mark.parametrize(("raw", "lines"), [
    (pd.DataFrame({"rooms": [1.0], "foto": ["a.png"]}), [
        "the data has no column 'photo' (did you mean 'foto'?", "the data has no column 'city'",
    ]),
    (["a.png"], ["the model takes rows with the columns photo, rooms, city: give a DataFrame or a list of dicts"]),
    (np.zeros((2, *SHAPE), np.uint8), [
        "the model takes rows with the columns photo, rooms, city: give a DataFrame or a list of dicts"
    ]),
    ({"photo": ["a.png"], "rooms": [3]}, [
        "the model takes rows with the columns photo, rooms, city: give a DataFrame or a list of dicts"
    ]),
    ([{"photo": None, "rooms": 3, "city": "Oslo"}], [
        "image 0 (counted from 0) must be a path, bytes, an array or an image of Pillow, it is NoneType"
    ]),
])  # fmt: skip
def test_what_such_a_model_does_not_take(raw: Any, lines: list[str]) -> None:
    houses()
    with pytest.raises(DataError) as caught:
        make(OneHot()).pipeline.transform(raw)
    assert [line[: len(wanted)] for line, wanted in zip(caught.value.problems, lines, strict=True)] == lines


def test_steps_that_do_not_say_which_input() -> None:
    houses()
    ambiguous = "there are several inputs, numbers, photo: name the one that is meant with input"
    assert problems(Standardize(), Scale(), OneHot()) == [
        f"preprocess step standardize: {ambiguous}",
        f"preprocess step scale: {ambiguous}",
    ]
    assert problems(OneHot(), Scale(input="foto")) == [
        "preprocess step scale: there is no input 'foto' (did you mean 'photo'?)"
    ]
    assert problems(OneHot(), Resize(3)) == [
        "preprocess step resize: steps for images must come first in data.preprocess, before those for numbers"
    ]
    (line,) = problems()
    assert line.startswith("column 'city' holds categories ('Bergen' in row 0 (counted from 0)): add {type: one_hot}")


def test_tables_that_have_nothing_beside_the_images() -> None:
    houses()
    lonely = {"exclude": ["remark", "rooms", "city"]}
    assert problems(**lonely) == [
        "data file 'sale/houses.csv' has no columns besides the target 'price' and the images 'photo': leave "
        "data.source.features out"
    ]
    prepared = make(features=None, **lonely)
    assert prepared.schema.inputs.shape == SHAPE  # type: ignore[union-attr]
    assert prepared.notes[-1] == (
        "left out: id, rooms, city, remark (data.source.features: all learns from columns beside the images)"
    )
    assert problems(features=["rooms", "plot"], images="foto") == [
        "images: data file 'sale/houses.csv' has no column 'foto' (did you mean 'photo'?)"
    ]


@pytest.mark.parametrize(("options", "reason"), [
    ({"features": ["photo"]}, "must be a column of its own, 'photo' is in features, too"),
    ({"images": "price"}, "must be a column of its own, 'price' is in target, too"),
    ({"images": "weight"}, "must be a column of its own, 'weight' is in weights, too"),
    ({"exclude": ["photo"]}, "must be a column of its own, 'photo' is in exclude, too"),
    ({"images": "numbers"}, "must have another name than 'numbers', which is what the network calls the other columns"),
    ({"images": None, "folder": "x"}, "is for paths of files: name their column with images or sounds"),
])  # fmt: skip
def test_options_that_contradict_each_other(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source(**options)
    assert reason in str(caught.value)


def test_states_that_are_no_pipeline_of_images_and_columns() -> None:
    houses()
    good = make(OneHot()).pipeline.to_dict()
    table, photo = good["features"][""], good["features"]["photo"]
    Pipeline.from_dict(good)
    for features in (
        {"": table},
        {"photo": photo, "more": photo, "": table},
        {"": photo, "photo": photo},
        {"photo": table, "": table},
        {"": table, "photo": {**photo, "ragged": True}},
        {"": table, "photo": {**photo, "shape": [4, 6]}},
    ):
        with pytest.raises(DataError, match="the pipeline is not what this version writes"):
            Pipeline.from_dict({**good, "features": features})


def test_text_is_an_input_beside_photos_and_numbers() -> None:
    houses().assign(remark=["small", "bright small"] * (COUNT // 2)).to_csv("sale/houses.csv", index=False)
    prepared = make(Tokenize(), OneHot(), text=["remark"], exclude=[])
    batch = whole(prepared)
    number = batch.targets[:, 0] / 1000
    np.testing.assert_array_equal(batch.inputs["remark"].lengths, number % 2 + 1)
    np.testing.assert_array_equal(batch.inputs["photo"][:, 0, 0, 0], number)
