"""Arrays of bytes: kept as they are, and numbers all the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.data import Batches, Gatherer, Prepared, Preprocessor, Split, prepare
from dist_bp.data.coded import Coded
from dist_bp.data.preprocess.min_max import MinMax
from dist_bp.data.preprocess.scale import Scale
from dist_bp.data.preprocess.standardize import Standardize
from dist_bp.data.sources.npz import NpzSource
from dist_bp.types import Array
from tests.allocation import takes_less

SPLIT = Split(0.2, 0.1)
LABELS = np.arange(90) % 3
STEPS: dict[str, tuple[Preprocessor, ...]] = {
    "nothing": (),
    "scale": (Scale(),),
    "channels": (Scale(), Standardize(per="channel"), MinMax(-1, 1, per="channel")),
}


def images(count: int = 90, side: int = 5) -> Array:
    return np.random.default_rng(0).integers(0, 256, (count, side, side + 1, 3), np.uint8)


def make(folder: Path, x: Array, *steps: Preprocessor, dtype: Any = "float32") -> Prepared:
    folder.mkdir(exist_ok=True)
    np.savez(folder / "data.npz", x=x, y=np.resize(LABELS, len(x)))
    return prepare(NpzSource(str(folder / "data.npz")), SPLIT, steps, 3, dtype, folder / "prepared")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", STEPS)
def test_bytes_have_the_bits_of_numbers(tmp_path: Path, name: str, dtype: Any) -> None:
    coded = make(tmp_path / "bytes", images(), *STEPS[name], dtype=dtype)
    floats = make(tmp_path / "floats", images().astype(np.float64), *STEPS[name], dtype=dtype)
    assert coded.schema == floats.schema
    for split in coded.splits:
        stored, numbers = coded.split(split), floats.split(split)
        assert isinstance(stored.inputs, Coded)
        assert stored.inputs.codes.dtype == np.uint8
        assert numbers.inputs.dtype == dtype
        rows = np.random.default_rng(1).integers(0, len(stored), 7)
        batches = [Gatherer(store, 8).batch(rows, (), rows).inputs for store in (stored, numbers)]
        assert batches[0].dtype == dtype
        np.testing.assert_array_equal(*batches)
        for own, other in zip(stored.blocks(1, len(stored), 4), numbers.blocks(1, len(stored), 4), strict=True):
            np.testing.assert_array_equal(own.inputs, other.inputs)
    raw = images(4)
    np.testing.assert_array_equal(coded.pipeline.transform(raw), floats.pipeline.transform(raw.astype(np.float64)))


def test_channels_have_statistics_of_their_own(tmp_path: Path) -> None:
    x = images() // np.array([1, 2, 3], np.uint8)
    prepared = make(tmp_path, x, Standardize(per="channel"))
    train = next(prepared.split("train").blocks(0, 90, 90)).inputs
    np.testing.assert_allclose(train.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_steps_that_differ_by_position_make_numbers(tmp_path: Path) -> None:
    prepared = make(tmp_path, images(), Standardize())
    assert prepared.split("train").inputs.dtype == np.float32


def test_the_files_are_no_larger_than_the_pixels(tmp_path: Path) -> None:
    prepared = make(tmp_path, images(side=30), Scale())
    files = sum(path.stat().st_size for path in prepared.directory.glob("*/inputs.npy"))
    assert files < images(side=30).nbytes + 3 * 200


@pytest.mark.parametrize("name", ["scale", "channels"])
def test_nothing_is_allocated_after_the_largest(tmp_path: Path, name: str) -> None:
    prepared = make(tmp_path, images(900, 28), *STEPS[name])
    samples = prepared.split("train")
    batches = Batches(len(samples), 256, 32)
    gatherer = Gatherer(samples, batches.largest)

    def step(number: int) -> None:
        gatherer.batch(*batches.parts(number)[0], batches.whole(number))

    step(0)
    assert takes_less(2**16, lambda: lambda: step(1))
