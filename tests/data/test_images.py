"""Folders of images become prepared pixels, and whatever is wrong with them is said at once."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dist_bp.data import Prepared, Split, prepare
from dist_bp.data.images import decoding
from dist_bp.data.images.shown import shown_images
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.preprocess.center_crop import CenterCrop
from dist_bp.data.preprocess.grayscale import Grayscale
from dist_bp.data.preprocess.resize import Resize
from dist_bp.data.preprocess.rgb import Rgb
from dist_bp.data.preprocess.scale import Scale
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.image_folder import ImageFolderSource
from dist_bp.data.sources.npy import NpySource
from dist_bp.data.sources.npz import NpzSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.errors import CapacityError, ConfigError, DataError

SPLIT = Split(0.25, 0.0)


@pytest.fixture(autouse=True)
def in_folder(workplace: Path) -> None:
    """All paths are relative."""


def picture(brightness: int, height: int = 4, width: int = 6, colour: bool = False) -> np.ndarray:
    """A ramp from top to bottom, so that no two brightnesses look alike."""
    rows = np.clip(brightness + np.arange(height), 0, 255).astype(np.uint8)
    one = np.repeat(rows[:, None], width, axis=1)
    return np.stack([one, one, one], axis=2) if colour else one


def write(path: str, array: np.ndarray) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def animals(folder: str = "pets", each: int = 8, **options: Any) -> None:
    for number in range(each):
        write(f"{folder}/cat/{number}.png", picture(number, **options))
        write(f"{folder}/dog/more/{number}.png", picture(100 + number, **options))


def make(*steps: Any, source: Any = None, split: Split = SPLIT, **options: Any) -> Prepared:
    source = source or ImageFolderSource("pets", **options)
    return prepare(source, split, steps, seed=1, dtype="float32", directory="prepared")


def problems(*steps: Any, **options: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        make(*steps, **options)
    assert list(Path("prepared").glob("*.pixels")) == []
    return caught.value.problems


def samples(prepared: Prepared, split: str) -> dict[str, set[bytes]]:
    """The pixels of each class, as the network sees them."""
    found: dict[str, set[bytes]] = {}
    for batch in prepared.split(split).blocks(0, prepared.splits[split], 100):
        for pixels, label in zip(np.round(batch.inputs).astype(np.uint8), batch.targets, strict=True):
            found.setdefault((prepared.schema.classes or ())[label], set()).add(pixels.tobytes())
    return found


def test_a_folder_for_each_class() -> None:
    animals()
    prepared = make()
    assert prepared.schema.classes == ("cat", "dog")
    assert prepared.splits == {"train": 12, "validation": 4}
    seen: dict[str, set[bytes]] = {"cat": set(), "dog": set()}
    for split in ("train", "validation"):
        for name, pixels in samples(prepared, split).items():
            seen[name] |= pixels
    assert seen == {
        "cat": {picture(number).tobytes() for number in range(8)},
        "dog": {picture(100 + number).tobytes() for number in range(8)},
    }


def test_train_and_test_folders_and_what_is_no_image() -> None:
    animals("pets/train")
    animals("pets/test", each=3)
    Path("pets/train/cat/notes.txt").write_text("fluffy")
    Path("pets/train/cat/.hidden.png").write_text("nothing")
    Path("pets/.cache").mkdir()
    prepared = make()
    assert prepared.splits == {"train": 12, "validation": 4, "test": 6}
    assert prepared.schema.own_test
    assert samples(prepared, "test")["cat"] == {picture(number).tobytes() for number in range(3)}
    assert prepared.notes == ("1 file without the suffix of an image passed over: 'pets/train/cat/notes.txt'",)


def test_a_validation_folder_is_the_validation_set() -> None:
    animals("pets/train")
    write("pets/val/dog/0.png", picture(9))
    prepared = make(split=Split(0.25, 0.25))
    assert samples(prepared, "validation") == {"dog": {picture(9).tobytes()}}
    assert prepared.splits == {"train": 12, "validation": 1, "test": 4}
    assert prepared.notes == ("'pets/val' is the validation set: data.split.validation has no effect",)


def test_another_folder_is_the_test_set() -> None:
    animals()
    write("more/dog/0.png", picture(9))
    prepared = make(test_path="more")
    assert samples(prepared, "test") == {"dog": {picture(9).tobytes()}}


def test_folders_in_classes_may_have_the_same_names_beside_images() -> None:
    animals()
    for name in ("cat", "dog"):
        write(f"pets/{name}/more/x.png", picture(1))
    write("pets/dog/0.png", picture(2))
    assert sum(make().splits.values()) == 8 + 1 + 8 + 1 + 1


def test_links_to_folders_are_followed_once() -> None:
    animals()
    write("elsewhere/x.png", picture(50))
    Path("pets/cat/link").symlink_to("../../elsewhere")
    Path("pets/cat/round").symlink_to("../cat")
    prepared = make()
    assert sum(prepared.splits.values()) == 17
    assert picture(50).tobytes() in set.union(*(samples(prepared, split)["cat"] for split in prepared.splits))


def test_class_names_that_are_numbers_keep_their_images() -> None:
    for number in (0, 1, 2, 10):
        for shade in range(4):
            write(f"pets/{number}/{shade}.png", picture(20 * number + shade))
    prepared = make()
    assert prepared.schema.classes == ("0", "1", "10", "2")
    assert samples(prepared, "train")["2"] <= {picture(40 + shade).tobytes() for shade in range(4)}


def test_steps_for_images_make_one_shape() -> None:
    animals(height=8, width=12)
    write("pets/cat/tall.png", picture(3, 30, 5, colour=True))
    prepared = make(Grayscale(), Resize((4, 6), "fill"), CenterCrop(4), Scale(1 / 255))
    inputs = prepared.split("train").blocks(0, 1, 1)
    batch = next(iter(inputs))
    assert batch.inputs.shape == (1, 4, 4, 1)
    assert 0 <= batch.inputs.max() <= 1
    image = (
        Image.fromarray(picture(0, 8, 12)).resize((6, 4), Image.Resampling.BILINEAR, (0, 0, 12, 8)).crop((1, 0, 5, 4))
    )
    raw = prepared.pipeline.transform([picture(0, 8, 12)])
    assert np.allclose(raw[0, :, :, 0], np.asarray(image) / 255)


def test_one_pipeline_takes_paths_bytes_arrays_images_and_tables() -> None:
    import pandas as pd

    animals()
    write("other.png", picture(77, 9, 9, colour=True))
    pipeline = make(Grayscale(), Resize(5), Scale(1 / 255)).pipeline
    again = Pipeline.from_dict(json.loads(json.dumps(pipeline.to_dict())))
    expected = pipeline.transform([picture(77, 9, 9, colour=True)])
    assert expected.shape == (1, 5, 5, 1)
    content = Path("other.png").read_bytes()
    forms: list[Any] = [
        ["other.png"],
        (Path("other.png"),),
        [content],
        [Image.open("other.png")],
        picture(77, 9, 9, colour=True)[None],
        pd.DataFrame({"image": ["other.png"]}),
        pd.DataFrame({"anything": [content]}),
        [{"image": content}],
    ]
    for raw in forms:
        assert np.array_equal(again.transform(raw), expected)


@pytest.mark.parametrize(("raw", "line"), [
    ("a.png", "the model takes several images at once: give a list of"),
    (np.zeros((9, 8, 3), np.uint8), "the model takes several images at once: give a list of paths, bytes of files, "
     "arrays of uint8 or images of Pillow; this array (9, 8, 3) looks like one image: give [array]"),
    ([3], "image 0 (counted from 0) must be a path, bytes, an array or an image of Pillow, it is int"),
    (["gone.png"], "image file 'gone.png' cannot be read: No such file or directory"),
    (np.zeros((1, 4, 6)), "image 0 (counted from 0) cannot be read: an array must hold uint8, this one holds float64"),
    (np.zeros((1, 5, 6), np.uint8), "image 0 (counted from 0) is 5 x 6 and grey, not 4 x 6 and grey as in training"),
    ([{"a": 1, "b": 2}], "the model takes images: give one column of paths"),
])  # fmt: skip
def test_what_a_model_of_images_does_not_take(raw: Any, line: str) -> None:
    animals()
    with pytest.raises(DataError) as caught:
        make().pipeline.transform(raw)
    assert str(caught.value).startswith(line)


def test_images_of_several_sizes_or_modes_are_told_with_the_remedy() -> None:
    animals()
    write("pets/cat/a.png", picture(1, 5, 5))
    write("pets/cat/b.png", picture(1, colour=True))
    assert problems() == [
        "the images are not alike: 16 of 4 x 6 and grey, such as 'pets/cat/0.png'; 1 of 5 x 5 and grey, such as "
        "'pets/cat/a.png'; 1 of 4 x 6 and in colour, such as 'pets/cat/b.png': put {type: rgb} or {type: grayscale} "
        "and {type: resize, size: [4, 6]} first in data.preprocess"
    ]
    (line,) = problems(Rgb())
    assert line.endswith("put {type: resize, size: [4, 6]} first in data.preprocess")


def test_unreadable_files_are_all_named_or_skipped() -> None:
    animals()
    for number in range(12):
        Path(f"pets/cat/x{number:02}.png").write_text("no")
    found = problems()
    assert found[:2] == [
        f"image file 'pets/cat/x{number:02}.png' cannot be read: it is no PNG, JPEG, BMP, GIF or WebP"
        for number in (0, 1)
    ]
    assert len(found) == 11
    assert found[-1] == (
        "12 of 28 images cannot be read: remove them, or pass them over with data.source.unreadable: skip"
    )
    prepared = make(unreadable="skip")
    assert sum(prepared.splits.values()) == 16
    (note,) = prepared.notes
    assert note.startswith("12 of 28 images cannot be read, which were skipped: image file 'pets/cat/x00.png' cannot")
    assert samples(prepared, "train")["dog"] <= {picture(100 + number).tobytes() for number in range(8)}


def test_a_class_of_which_nothing_can_be_read_is_an_error() -> None:
    animals()
    Path("pets/emu").mkdir()
    Path("pets/emu/0.png").write_text("no")
    assert problems(unreadable="skip") == ["the class 'emu' has no image that can be read: remove it"]


def test_an_image_that_is_too_small_to_crop_is_not_skipped() -> None:
    animals()
    (*_, line) = problems(CenterCrop(5), unreadable="skip")
    assert line == "6 more images are like these"


@pytest.mark.parametrize(("files", "lines"), [
    ((), ["the folder 'pets' was not found (looked in {here})"]),
    (("pets/a.png",), ["the folder 'pets' has no folders in it: put the images of each class into one of its name"]),
    (("pets/cat/0.png", "pets/d\udcffg/0.png"), [
        "the folder 'd\\udcffg' of 'pets' has a name that is no text: rename it"
    ]),
    (("pets/cat/0.png", "pets/dog/a.txt", "pets/emu/"), [
        f"the class {name!r} of 'pets' has no images (.png, .jpg, .jpeg, .bmp, .gif, .webp): remove it"
        for name in ("dog", "emu")
    ]),
    (("pets/train/cat/0.png", "pets/train/dog/0.png", "pets/test/emu/0.png", "pets/test/fox/0.png"), [
        f"'pets/test' has the class {name!r}, which 'pets/train' has not: remove it, or add images to train on"
        for name in ("emu", "fox")
    ]),
    (("pets/train/cat/0.png", "pets/dog/0.png"), [
        "the folder 'pets' holds 'train' and 'dog': it must hold a folder for each class, or train and test with a "
        "folder for each class"
    ]),
    (("pets/val/0.png", "pets/test/cat/0.png"), [
        "the folder 'pets' holds 'val' and no 'train': put the classes to train on into 'train', or give a class of "
        "the name 'val' another one"
    ]),
    (("pets/one/cat/0.png", "pets/one/dog/0.png", "pets/two/cat/0.png", "pets/two/dog/0.png"), [
        "the folders 'one', 'two' of 'pets' all hold 'cat', 'dog' and no images beside: call them train, val and test "
        "if they are splits, or put the images of each class into its folder itself"
    ]),
])  # fmt: skip
def test_a_folder_that_is_not_as_it_must_be(files: tuple[str, ...], lines: list[str]) -> None:
    for name in files:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            Path(name).mkdir()
        elif name.endswith(".png"):
            write(name, picture(1))
        else:
            Path(name).write_text("text")
    assert problems() == [line.format(here=os.getcwd()) for line in lines]


def test_the_digest_is_of_names_and_bytes_and_not_of_the_disk() -> None:
    animals()
    first = make()
    shutil.copytree("pets", "copy")
    shutil.rmtree("pets")
    Path("pets").mkdir()
    for path in sorted(Path("copy").rglob("*.png"), reverse=True):  # another order on the disk, another time
        target = Path("pets") / path.relative_to("copy")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    assert make().source_digest == first.source_digest
    assert ImageFolderSource("copy").open(_cache()).digest == first.source_digest
    Path("pets/cat/0.png").rename("pets/cat/zero.png")
    renamed = make().source_digest
    write("pets/cat/zero.png", picture(50))
    assert len({first.source_digest, renamed, make().source_digest}) == 3


def test_settled_folders_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from dist_bp.data import files

    animals()
    monkeypatch.setattr(files, "SETTLED_SECONDS", 0.0)
    Path("prepared").mkdir()
    digest = ImageFolderSource("pets").open(_cache()).digest
    monkeypatch.setattr(files, "_digest_of_file", lambda path: pytest.fail("it is read again"))
    assert ImageFolderSource("pets").open(_cache()).digest == digest


def _cache() -> Any:
    from dist_bp.data.files import DigestCache

    return DigestCache(Path("prepared"))


def table(names: Sequence[str], path: str = "lists/pets.csv", **columns: Any) -> None:
    """Of images, which are cats where their name has a c in it."""
    import pandas as pd

    Path(path).parent.mkdir(exist_ok=True)
    kinds = ["cat" if "c" in name else "dog" for name in names]
    frame = pd.DataFrame({"photo": names, "kind": kinds, "note": ["x"] * len(names), **columns})
    frame.to_parquet(path) if path.endswith("parquet") else frame.to_csv(path, index=False)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_that_a_table_names(suffix: str) -> None:
    names = [f"{kind}{number}.png" for kind in ("c", "d") for number in range(8)]
    for number, name in enumerate(names):
        write(f"lists/{name}", picture(number))
    table(names, f"lists/pets.{suffix}", weight=np.arange(16) + 1.0)
    kind = CsvSource if suffix == "csv" else ParquetSource
    prepared = make(source=kind(f"lists/pets.{suffix}", "kind", images="photo", weights="weight"))
    assert prepared.schema.classes == ("cat", "dog")
    batch = next(iter(prepared.split("train").blocks(0, 12, 12)))
    assert batch.inputs.shape == (12, 4, 6, 1)
    assert batch.weights is not None
    for pixels, label, weight in zip(batch.inputs, batch.targets, batch.weights, strict=True):
        assert pixels[0, 0, 0] == weight - 1
        assert label == (weight > 8)
    assert prepared.notes[-1].endswith("note")
    before = prepared.source_digest
    write(f"lists/{names[0]}", picture(99))
    assert make(source=kind(f"lists/pets.{suffix}", "kind", images="photo", weights="weight")).source_digest != before


def test_images_whose_names_are_numbers_are_looked_at_for_changes() -> None:
    import pandas as pd

    Path("lists").mkdir()
    for number in range(8):
        write(f"{number}.png", picture(number))
        Path(f"{number}.png").rename(f"lists/{number}")
    pd.DataFrame({"photo": range(8), "kind": ["cat", "dog"] * 4}).to_parquet("lists/pets.parquet")
    source = ParquetSource("lists/pets.parquet", "kind", images="photo")
    before = make(source=source).source_digest
    write("other.png", picture(99))
    Path("other.png").rename("lists/3")
    assert make(source=source).source_digest != before


def test_skipped_files_of_a_table_take_their_targets_and_weights_along() -> None:
    animals("lists")
    names = [f"{kind}/{number}.png" for kind in ("cat", "dog/more") for number in range(8)]
    Path("lists/cat/3.png").write_text("no")
    table(names, weight=np.arange(16) + 1.0)
    prepared = make(source=CsvSource("lists/pets.csv", "kind", images="photo", weights="weight", unreadable="skip"))
    assert sum(prepared.splits.values()) == 15
    batch = next(iter(prepared.split("train").blocks(0, prepared.splits["train"], 20)))
    assert batch.weights is not None
    for pixels, weight in zip(batch.inputs, batch.weights, strict=True):
        assert pixels[0, 0, 0] == (weight - 1 if weight <= 8 else weight + 91)


def test_a_table_names_nothing_outside_of_its_folder() -> None:
    animals("elsewhere")
    names = ["../elsewhere/cat/0.png", str(Path("elsewhere/cat/1.png").resolve()), "a/../../elsewhere/cat/2.png"]
    table(names)
    found = problems(source=CsvSource("lists/pets.csv", "kind", images="photo"))
    assert [line.split(" names ")[0] for line in found] == ["data file 'lists/pets.csv'"] * 3
    assert found[-1].endswith(
        "which is not in 'lists': put the table into the folder of the images, or train with data.source.folder"
    )
    table([f"{kind}/{number}.png" for kind in ("cat", "dog/more") for number in range(8)])
    first = make(source=CsvSource("lists/pets.csv", "kind", images="photo", folder="elsewhere"))
    assert first.splits["train"] == 12
    Path("elsewhere").rename("moved")
    moved = CsvSource("lists/pets.csv", "kind", images="photo", folder="moved").open(_cache())
    assert moved.digest == first.source_digest


def test_links_do_not_lead_a_table_out_of_its_folder() -> None:
    animals("elsewhere")
    animals("lists/pets")
    Path("lists/out").symlink_to("../elsewhere")
    Path("lists/in").symlink_to("pets")
    table(["out/cat/0.png", "in/cat/0.png", "\0"], "lists/pets.parquet")
    line, other = problems(source=ParquetSource("lists/pets.parquet", "kind", images="photo"))
    assert other.startswith(r"data file 'lists/pets.parquet' names 'lists/\x00', which is not in 'lists'")
    assert line.startswith("data file 'lists/pets.parquet' names 'lists/out/cat/0.png', which is not in 'lists'")


@pytest.mark.parametrize("missing", ["error", "impute"])
def test_a_row_without_an_image_is_refused(missing: str) -> None:
    animals("lists")
    table(["cat/0.png", "", "dog/more/0.png"])
    (line,) = problems(source=CsvSource("lists/pets.csv", "kind", images="photo", missing=missing))  # type: ignore[arg-type]
    assert line == (
        "column 'photo' of 'lists/pets.csv' has 1 missing values, first in row 1 (counted from 0): set "
        "data.source.missing: drop, or give the image"
    )


@pytest.mark.parametrize("options", [{"features": ["a"]}, {"images": "kind"}, {"exclude": ["photo"]}])
def test_images_of_a_table_are_all_that_is_learnt_from(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be a column of its own"):
        CsvSource("a.csv", "kind", **{"images": "photo", **options})
    with pytest.raises(ConfigError, match="is for paths of images"):
        CsvSource("a.csv", "kind", folder="x")


def test_arrays_are_images_where_a_step_asks_for_them() -> None:
    arrays = np.stack([picture(number, 8, 8) for number in range(12)])
    np.save("x.npy", arrays)
    np.save("y.npy", np.arange(12) % 2)
    prepared = make(Resize(4), source=NpySource("x.npy", "y.npy"))
    expected = np.asarray(Image.fromarray(arrays[3]).resize((4, 4), Image.Resampling.BILINEAR))
    assert np.array_equal(prepared.pipeline.transform(arrays)[3, :, :, 0], expected)
    np.save("x.npy", arrays.astype(float))
    (line,) = problems(Resize(4), source=NpySource("x.npy", "y.npy"))
    assert line.startswith(
        "data.preprocess has steps for images, and the source gives none: neither files nor an array"
    )


@pytest.mark.parametrize(("arrays", "line"), [
    ({"y": np.arange(20) % 2}, "there are 30 inputs but 20 targets"),
    ({"y": np.arange(30) % 2, "w": np.ones(20)}, "there are 30 inputs but 20 weights"),
    ({"y": np.arange(50) % 2, "y_lengths": np.repeat([2, 1], [20, 10])}, "the targets have different lengths, and no "
     "input has: give a target for each position of the inputs, or one for each sample"),
])  # fmt: skip
def test_arrays_of_other_lengths_than_their_images(arrays: dict[str, np.ndarray], line: str) -> None:
    np.savez("d.npz", x=np.zeros((30, 4, 4), np.uint8), **arrays)  # type: ignore[arg-type]
    source = NpzSource("d.npz", weights="w" if "w" in arrays else None)
    assert problems(Grayscale(), source=source) == [line]


@pytest.mark.parametrize("steps", [(CenterCrop(20), Resize(8)), (Resize(20), CenterCrop(12)), (Grayscale(), Scale(2))])
def test_example_rows_are_the_files_before_any_step(steps: Sequence[Any]) -> None:
    animals(height=30, width=40, colour=True)
    Path("pets/cat/0.png").write_bytes(b"torn")
    prepared = make(*steps, unreadable="skip")
    example, files = prepared.example(), [f"pets/cat/{number}.png" for number in range(1, 6)]
    assert list(example.columns) == ["image"]
    assert np.array_equal(prepared.pipeline.transform(example), prepared.pipeline.transform(files))


@pytest.mark.parametrize(
    ("steps", "size"), [((Resize(8),), (1024, 512)), ((CenterCrop(600),), (2000, 1000)), ((), (2000, 1000))]
)
def test_large_example_rows_are_made_smaller_where_they_can_be(steps: Sequence[Any], size: tuple[int, int]) -> None:
    animals(each=2, height=1000, width=2000)
    prepared = make(*steps)
    example = prepared.example()
    assert Image.open(BytesIO(example["image"][0])).size == size
    assert prepared.pipeline.transform(example).shape[1:] == prepared.pipeline.inputs.shape


def test_samples_can_be_shown_as_they_were() -> None:
    animals(colour=True)
    prepared = make(Scale())
    found = shown_images(prepared, "train", np.array([3, 0]))
    assert found is not None
    assert (found.dtype, found.shape) == (np.uint8, (2, 4, 6, 3))
    batch = next(iter(prepared.split("train").blocks(0, 4, 4)))
    assert np.allclose(found / 255, batch.inputs[[3, 0]])
    np.save("x.npy", np.arange(24.0).reshape(12, 2))
    np.save("y.npy", np.arange(12) % 2)
    assert shown_images(make(source=NpySource("x.npy", "y.npy")), "train", np.array([0])) is None


def test_pixels_take_no_more_room_than_they_have() -> None:
    animals()
    files = [path for path in make(Scale()).directory.glob("*/*.npy") if "inputs" in path.name]
    assert sum(path.stat().st_size - 128 for path in files) == 16 * 4 * 6


def test_steps_for_images_come_first() -> None:
    animals()
    (line,) = problems(Scale(), Resize(4))
    assert (
        line == "preprocess step resize: steps for images must come first in data.preprocess, before those for numbers"
    )


@pytest.mark.parametrize("size", [0, (4,), (4, 5, 6), 9000, (4, -1)])
def test_sizes_are_checked(size: Any) -> None:
    with pytest.raises(ConfigError, match="size"):
        Resize(size)


def test_a_disk_that_is_too_small_is_told_before_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    animals()
    monkeypatch.setattr(decoding.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 9))  # type: ignore[attr-defined]
    with pytest.raises(CapacityError, match="the pixels need"):
        make()
    Path("pets/cat/0.png").write_bytes(b"torn")
    with pytest.raises(CapacityError, match="the pixels need"):
        make(unreadable="skip")


def test_damaged_decoders_are_refused() -> None:
    animals()
    state = make(Resize(4)).pipeline.to_dict()
    one = state["decoder"][0]
    hostile: list[Any] = [3, "resize", [3], [{}], [{"kind": "exec"}], [{"kind": ["resize"]}], [one] * 101]
    hostile += [[{**one, key: value}] for key in one for value in (None, "x", -1, 10**9, 2.5, [], True)]
    for decoder in hostile:
        with pytest.raises(DataError, match="the pipeline is not what this version writes"):
            Pipeline.from_dict({**state, "decoder": decoder})


def test_without_images_pillow_is_not_imported() -> None:
    np.save("x.npy", np.arange(40.0).reshape(20, 2))
    np.save("y.npy", np.arange(20) % 2)
    code = (
        "import sys\n"
        "from dist_bp.data import Split, prepare\n"
        "from dist_bp.data.sources.npy import NpySource\n"
        "prepare(NpySource('x.npy', 'y.npy'), Split(), [], 1, 'float32', 'prepared')\n"
        "print('PIL' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
