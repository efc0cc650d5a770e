"""Images become prepared pixels: steps, one shape, arrays, examples."""

import json
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dist_bp.data.images.shown import shown_images
from dist_bp.data.media import decoding
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.preprocess.bag_of_words import BagOfWords
from dist_bp.data.preprocess.categories import CategoriesStep
from dist_bp.data.preprocess.center_crop import CenterCrop
from dist_bp.data.preprocess.grayscale import Grayscale
from dist_bp.data.preprocess.impute import Impute
from dist_bp.data.preprocess.one_hot import OneHot
from dist_bp.data.preprocess.resize import Resize
from dist_bp.data.preprocess.rgb import Rgb
from dist_bp.data.preprocess.scale import Scale
from dist_bp.data.preprocess.tokenize import Tokenize
from dist_bp.data.sources.npy import NpySource
from dist_bp.data.sources.npz import NpzSource
from dist_bp.errors import CapacityError, ConfigError, DataError
from tests.data.pictures import animals, make, picture, problems, write

pytestmark = pytest.mark.usefixtures("workplace")


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


def test_a_model_names_all_images_that_it_does_not_take() -> None:
    animals()
    pipeline = make().pipeline
    good, small = np.zeros((4, 6), np.uint8), np.zeros((3, 6), np.uint8)
    with pytest.raises(DataError) as caught:
        pipeline.transform([good, small, b"no", *[b""] * 11])
    assert caught.value.problems == [
        "image 1 (counted from 0) is 3 x 6 and grey, not 4 x 6 and grey as in training: bring it to that, or train "
        "with steps that do (resize, grayscale, rgb)",
        "image 2 (counted from 0) cannot be read: it is no PNG, JPEG, BMP, GIF or WebP",
        *(f"image {number} (counted from 0) cannot be read: it is empty" for number in range(3, 11)),
        "3 more images are like these",
    ]


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


def test_an_image_that_is_too_small_to_crop_is_not_skipped() -> None:
    animals()
    (line,) = problems(CenterCrop(5), unreadable="skip")
    assert line.startswith("image file 'pets/cat/0.png' ")
    assert line.endswith(" (15 more images like it)")


UPPER_BITS = "uint16: of 16 bits give the upper 8, as files are read, (array >> 8).astype(numpy.uint8)"


def test_arrays_are_images_where_a_step_asks_for_them() -> None:
    arrays = np.stack([picture(number, 8, 8) for number in range(12)])
    np.save("x.npy", arrays)
    np.save("y.npy", np.arange(12) % 2)
    prepared = make(Resize(4), source=NpySource("x.npy", "y.npy"))
    expected = np.asarray(Image.fromarray(arrays[3]).resize((4, 4), Image.Resampling.BILINEAR))
    assert np.array_equal(prepared.pipeline.transform(arrays)[3, :, :, 0], expected)
    for other, told in (
        (arrays.astype(float), "holds float64"),
        (arrays.astype("uint16") << 8, f"holds {UPPER_BITS}"),
        (arrays[0], "has the shape (8, 8)"),
    ):
        np.save("x.npy", other)
        np.save("y.npy", np.arange(len(other)) % 2)
        assert problems(Resize(4), source=NpySource("x.npy", "y.npy")) == [
            "data.preprocess has steps for images, and the source gives none: neither files nor an array of uint8 "
            f"(samples, height, width) or (samples, height, width, channels); this one {told}"
        ]
    with pytest.raises(DataError) as refused:
        prepared.pipeline.transform(arrays[:1].astype("uint16"))
    assert refused.value.problems == [
        f"image 0 (counted from 0) cannot be read: an array must hold uint8, this one holds {UPPER_BITS}"
    ]


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


NO_CATEGORIES = "the data has no columns of categories: leave the step out"
NO_TEXT = "the data has no column of text that is left: leave the step out"


@pytest.mark.parametrize(("step", "line"), [
    (OneHot(), NO_CATEGORIES),
    (CategoriesStep(), NO_CATEGORIES),
    (Tokenize(), NO_TEXT),
    (BagOfWords(), NO_TEXT),
    (Impute(strategy="constant", value="x"), "value 'x' is for categories, and the data has none: leave the step out"),
    (Impute(columns=["age"]), "columns cannot be chosen where a sample has the shape (8, 8, 3)"),
    (Impute(strategy="most_frequent", columns=["age"]), "columns cannot be chosen where a sample has the shape "
     "(8, 8, 3)"),
])  # fmt: skip
def test_steps_for_columns_are_not_for_images(step: Any, line: str) -> None:
    animals(each=2)
    assert problems(Rgb(), Resize(8), step) == [f"preprocess step {step.name}: {line}"]


def test_categories_are_not_in_arrays_of_other_shapes_either() -> None:
    draw, lengths = np.random.default_rng(0), np.arange(20) % 3 + 1
    for arrays, inputs in (
        ({"x": draw.normal(size=(20, 3, 2))}, "x"),
        ({"x": draw.normal(size=lengths.sum()), "x_lengths": lengths}, "x"),
        ({"a": draw.normal(size=(20, 3)), "b": draw.normal(size=(20, 2))}, {"a": "a", "b": "b"}),
    ):
        np.savez("d.npz", y=np.arange(20) % 2, **arrays)  # type: ignore[arg-type]
        assert problems(OneHot(), source=NpzSource("d.npz", inputs)) == [f"preprocess step one_hot: {NO_CATEGORIES}"]


def test_images_alone_are_an_input_without_a_name() -> None:
    animals()
    assert problems(Scale(input="photo")) == [
        "preprocess step scale: there is one input, which has no name: leave out input: photo"
    ]


@pytest.mark.parametrize("size", [0, (4,), (4, 5, 6), 9000, (4, -1)])
def test_sizes_are_checked(size: Any) -> None:
    with pytest.raises(ConfigError, match="size"):
        Resize(size)


def test_a_disk_that_is_too_small_is_told_before_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    animals()
    monkeypatch.setattr(decoding.shutil, "disk_usage", lambda path: SimpleNamespace(free=9))
    with pytest.raises(CapacityError, match="the images need"):
        make()
    Path("pets/cat/0.png").write_bytes(b"torn")
    with pytest.raises(CapacityError, match="the images need"):
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


@pytest.mark.parametrize("size", [(2**20, 2**20), (10**9, 1), (0, 4), (2, 0)])
def test_saved_images_have_no_size_that_none_has(size: tuple[int, int]) -> None:
    animals(each=2)
    state = make(Resize(4)).pipeline.to_dict()
    state["features"][""]["shape"][:2] = size
    with pytest.raises(DataError, match=f"images of {size[0]} x {size[1]} pixels"):
        Pipeline.from_dict(state)


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
