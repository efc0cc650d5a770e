"""Sources of arrays: idx, npy, npz and the sets of scikit-learn."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.idx import IdxSource
from dist_bp.data.sources.npy import NpySource
from dist_bp.data.sources.npz import NpzSource
from dist_bp.data.sources.scikit_learn import SklearnSource
from tests.data.tables import digest, load, problems

pytestmark = pytest.mark.usefixtures("workplace")


def idx_bytes(array: np.ndarray[Any, Any], code: int = 8) -> bytes:
    shape = struct.pack(f">{array.ndim}i", *array.shape)
    return bytes([0, 0, code, array.ndim]) + shape + array.astype(array.dtype.newbyteorder(">")).tobytes()


IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)


LABELS = np.array([0, 1, 2, 1, 0], np.uint8)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx(suffix: str) -> None:
    for name, array in (("images", IMAGES), ("labels", LABELS)):
        content = idx_bytes(array)
        Path(name + suffix).write_bytes(gzip.compress(content) if suffix else content)
    names = "images" + suffix, "labels" + suffix
    dataset = load(IdxSource(*names))
    np.testing.assert_array_equal(dataset.samples.inputs, IMAGES)
    np.testing.assert_array_equal(dataset.samples.targets, LABELS)
    assert dataset.features.shape == (4, 3)
    assert load(IdxSource(*names, *names)).test is not None


@pytest.mark.parametrize(("code", "dtype"), [(9, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")])
def test_idx_of_other_types(code: int, dtype: str) -> None:
    wanted = np.array([[-1, 2], [3, -100]], dtype)
    Path("images").write_bytes(idx_bytes(wanted, code))
    Path("labels.gz").write_bytes(gzip.compress(idx_bytes(np.array([0, 1], np.uint8))))
    np.testing.assert_array_equal(load(IdxSource("images", "labels.gz")).samples.inputs, wanted)


GOOD = idx_bytes(IMAGES)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (GOOD[:9], "truncated"),
        (GOOD[:-1], "truncated: its header announces 60 bytes, there are 59"),
        (GOOD + b"x", "goes on after the 60 bytes"),
        (b"\x00\x01" + GOOD[2:], "wrong magic number 0x00010803"),
        (b"\0\0\x07" + GOOD[3:], "wrong magic number"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "truncated"),
        (idx_bytes(LABELS)[:8] + b"\0" * 5, None),
    ],
)
def test_damaged_idx(content: bytes, message: str | None, compress: bool) -> None:
    Path("images").write_bytes(gzip.compress(content) if compress else content)
    Path("labels").write_bytes(idx_bytes(LABELS))
    if message is None:
        assert load(IdxSource("images", "labels")).features.shape == (1,)
        return
    assert message in problems(IdxSource("images", "labels"))[0]


def test_truncated_gzip_and_images_for_labels() -> None:
    Path("images.gz").write_bytes(gzip.compress(GOOD)[:-9])
    Path("labels").write_bytes(GOOD)
    assert "'images.gz' is not a readable IDX file" in problems(IdxSource("images.gz", "labels"))[0]
    Path("images").write_bytes(GOOD)
    assert "does not hold labels" in problems(IdxSource("images", "labels"))[0]


def test_missing_files_are_named_all_at_once() -> None:
    lines = problems(NpySource("a.npy", "b.npy"))
    assert [line.split(" (")[0] for line in lines] == [
        "data file 'a.npy' not found",
        "data file 'b.npy' not found",
    ]
    Path("folder").mkdir()
    assert "is not a file" in problems(CsvSource("folder", "y"))[0]


def test_npy_is_mapped_and_npz_takes_named_arrays() -> None:
    x, y = np.random.default_rng(0).normal(size=(6, 2)), np.arange(6) % 2
    np.save("x.npy", x)
    np.save("y.npy", y)
    dataset = load(NpySource("x.npy", "y.npy", "x.npy", "y.npy"))
    assert isinstance(dataset.samples.inputs.base, np.memmap)
    np.testing.assert_array_equal(dataset.samples.inputs, x)
    np.savez("d.npz", images=x, labels=y)
    dataset = load(NpzSource("d.npz", "images", "labels"))
    np.testing.assert_array_equal(dataset.samples.targets, y)
    lines = problems(NpzSource("d.npz", "image", "y"))
    assert "did you mean 'images'?" in lines[0]
    assert "there is 'images', 'labels'" in lines[1]


def test_arrays_that_are_none() -> None:
    np.save("objects.npy", np.array([[1], [2, 3]], object), allow_pickle=True)
    np.save("y.npy", np.arange(2))
    assert "not a readable .npy file of numbers" in problems(NpySource("objects.npy", "y.npy"))[0]
    np.save("texts.npy", np.array([["a"], ["b"]]))
    assert "holds text" in problems(NpySource("texts.npy", "y.npy"))[0]
    whole = Path("y.npy").read_bytes()
    Path("torn.npy").write_bytes(whole[:-3])
    assert "'torn.npy' is not a readable .npy file of numbers" in problems(NpySource("torn.npy", "y.npy"))[0]
    Path("empty.npy").write_bytes(b"")
    assert "it is empty" in problems(NpySource("empty.npy", "y.npy"))[0]
    Path("text.npz").write_text("x")
    assert "not a .npz file" in problems(NpzSource("text.npz"))[0]
    np.save("three.npy", np.zeros((2, 3)))
    lines = problems(NpySource("y.npy", "y.npy", "three.npy", "y.npy"))
    assert lines == ["the test set of 'y.npy' has samples of shape (3,), the others (1,)"]


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer", "diabetes"])
def test_data_sets_of_sklearn_are_those_that_it_loads(name: str) -> None:
    options = {"scaled": False} if name == "diabetes" else {}
    expected = getattr(datasets, f"load_{name}")(**options)
    dataset = load(SklearnSource(name))  # type: ignore[arg-type]
    for array, other in ((dataset.samples.inputs, expected.data), (dataset.samples.targets, expected.target)):
        np.testing.assert_array_equal(array, other)
        assert array.dtype == other.dtype
    assert dataset.features.names == tuple(expected.feature_names)
    assert dataset.classes == (tuple(expected.target_names) if "target_names" in expected else None)


def test_data_sets_of_sklearn_are_told_apart() -> None:
    assert digest(SklearnSource("iris")) == digest(SklearnSource("iris")) != digest(SklearnSource("wine"))


def test_a_truncated_archive_is_named(workplace: Path) -> None:
    np.savez("whole.npz", x=np.zeros((50, 3)), y=np.arange(50))
    Path("torn.npz").write_bytes(Path("whole.npz").read_bytes()[:500])
    assert "'torn.npz' is not a readable .npz file" in problems(NpzSource("torn.npz"))[0]
