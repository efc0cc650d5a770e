import json
import multiprocessing
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from dist_bp.data import Prepared, Split, prepare
from dist_bp.data.preprocess.integers import Integers
from dist_bp.data.preprocess.one_hot import OneHot
from dist_bp.data.preprocess.standardize import Standardize
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.npy import NpySource
from dist_bp.data.sources.npz import NpzSource
from dist_bp.data.sources.scikit_learn import SklearnSource
from dist_bp.errors import CapacityError, DataError
from dist_bp.signals import Field

RNG = np.random.default_rng(5)
X = RNG.normal(3, 5, (90, 4))
Y = np.arange(90) % 3
SPLIT = Split(0.2, 0.1)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save(x: Any = X, y: Any = Y, prefix: str = "") -> NpySource:
    np.save(f"{prefix}x.npy", x)
    np.save(f"{prefix}y.npy", y)
    return NpySource(f"{prefix}x.npy", f"{prefix}y.npy")


def make(source: Any, *steps: Any, split: Split = SPLIT, **options: Any) -> Prepared:
    arguments = {"seed": 3, "dtype": "float32", "directory": "prepared"} | options
    return prepare(source, split, steps, **arguments)


def problems(*arguments: Any, **options: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        make(*arguments, **options)
    assert not list(Path("prepared").glob("*/schema.json"))
    return caught.value.problems


def pair(prepared: Prepared, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of a split."""
    samples = prepared.split(name)
    return samples.inputs, samples.targets


def test_arrays_schema_and_splits() -> None:
    prepared = make(save(), Standardize())
    assert prepared.splits == {"train": 63, "validation": 18, "test": 9}
    schema = prepared.schema
    assert (schema.inputs, schema.target_shape, schema.task) == (Field((4,)), (), "classification")
    assert schema.classes == ("0", "1", "2")
    assert prepared.pipeline.classes == [0, 1, 2]
    rows = {tuple(np.round(row, 3)): label for row, label in zip(X, Y, strict=True)}
    x, y = pair(prepared, "train")
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    assert not x.flags.writeable
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-5)
    training = X[np.isin(np.arange(90), [*_rows_of(prepared, "train")])]
    mean, deviation = training.mean(axis=0), training.std(axis=0)
    for name in prepared.splits:
        x, y = pair(prepared, name)
        assert y.dtype == np.int64
        for row, label in zip(x * deviation + mean, y, strict=True):
            nearest = min(rows, key=lambda it: float(np.abs(np.subtract(it, row)).sum()))
            assert rows[nearest] == label
    with pytest.raises(KeyError):
        prepared.split("other")


def _rows_of(prepared: Prepared, name: str) -> list[int]:
    """Which rows of X a split holds, told by the transformed values."""
    everything = prepared.pipeline.transform(X)
    return [int(np.flatnonzero((everything == row).all(axis=1))[0]) for row in prepared.split(name).inputs]


def test_transform_gives_the_bits_of_the_prepared_arrays() -> None:
    prepared = make(save(), Standardize())
    rows = [row for name in prepared.splits for row in _rows_of(prepared, name)]
    assert sorted(rows) == list(range(90))


def test_the_pipeline_knows_the_training_split_only() -> None:
    first = make(save(), Standardize())
    x = X.copy()
    x[_rows_of(first, "test") + _rows_of(first, "validation")] += 100
    second = make(save(x), Standardize())
    assert second.digest != first.digest
    assert second.pipeline.to_dict() == first.pipeline.to_dict()


def test_the_second_call_opens_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(save(), Standardize())
    monkeypatch.setattr(NpySource, "load", None)
    second = make(NpySource("x.npy", "y.npy"), Standardize())
    assert (second.digest, second.source_digest) == (first.digest, first.source_digest)
    assert second.pipeline.to_dict() == first.pipeline.to_dict()
    assert second.schema == first.schema
    assert second.splits == first.splits


def test_data_that_changes_while_it_is_read_is_not_taken_for_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    source, load = save(), NpySource.load

    def changed(self: NpySource) -> Any:
        save(X + 100)
        return load(self)

    monkeypatch.setattr(NpySource, "load", changed)
    assert problems(source) == ["the data changed while it was read: start again when nobody writes to it"]
    monkeypatch.setattr(NpySource, "load", load)
    assert pair(make(save()), "train")[0].max() < 100


def test_what_is_no_fault_of_the_disk_is_not_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(self: NpySource) -> Any:
        raise TimeoutError("nobody answers")

    monkeypatch.setattr(NpySource, "load", late)
    with pytest.raises(TimeoutError, match="nobody answers"):
        make(save())


def test_whatever_changes_the_arrays_changes_the_digest() -> None:
    source = save()
    variants: list[dict[str, Any]] = [
        {},
        {"seed": 4},
        {"dtype": "float64"},
        {"split": Split(0.1, 0.1)},
        {"split": Split(0.2, 0.1, stratify=False)},
        {"task": "regression"},
    ]
    digests = [make(source, **variant).digest for variant in variants] + [make(source, Standardize()).digest]
    assert len(set(digests)) == len(digests)
    assert len({make(source, **variant).source_digest for variant in variants}) == 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "schema", "foreign", "pipeline"])
def test_a_damaged_directory_is_made_anew(damage: str) -> None:
    source = save()
    first = make(source, Standardize())
    x = np.array(first.split("train").inputs)
    if damage == "truncate":
        with (first.directory / "train" / "inputs.npy").open("r+b") as file:
            file.truncate(500)
    elif damage == "flip":
        with (first.directory / "train" / "inputs.npy").open("r+b") as file:
            file.seek(500)
            file.write(b"other")
    elif damage == "remove":
        (first.directory / "validation" / "targets.npy").unlink()
    elif damage == "schema":
        (first.directory / "schema.json").write_text("{")
    elif damage == "foreign":
        record = json.loads((first.directory / "schema.json").read_text())
        (first.directory / "schema.json").write_text(json.dumps(record | {"digest": "0" * 64}))
    else:
        (first.directory / "pipeline.json").write_text("[]")
    with pytest.raises(DataError, match="does not hold prepared data"):
        Prepared.open(first.directory)
    np.testing.assert_array_equal(make(source, Standardize()).split("train").inputs, x)


def test_an_interrupted_attempt_is_no_obstacle() -> None:
    source = save()
    name = make(source).directory.name
    torn = Path("prepared") / f"{name}.partial"
    (torn / "train").mkdir(parents=True)
    (torn / "train" / "left.npy").write_text("x")
    (Path("prepared") / name / "schema.json").unlink()
    assert not (make(source).directory / "train" / "left.npy").exists()
    assert not torn.exists()


def test_what_killed_preparations_left_is_removed() -> None:
    left, kept = [], [Path("prepared/mine.pixels"), Path("prepared") / f"{'b' * 16}.partial"]
    for suffix in ("pixels", "partial"):
        left.append(Path("prepared") / f"{'a' * 16}.{suffix}")
    for folder in (*left, *kept):
        folder.mkdir(parents=True)
        (folder / "samples").write_text("x")
    with FileLock(kept[1].with_suffix(".lock")):
        make(save())
    assert [folder.exists() for folder in left] == [False, False]
    assert [folder.exists() for folder in kept] == [True, True]


def test_the_room_needed_is_that_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = RNG.integers(1, 9, 90)
    ids = RNG.integers(0, 50, lengths.sum())
    np.savez("tokens.npz", x=ids, x_lengths=lengths, y=Y, w=np.ones(90))
    source = NpzSource("tokens.npz", weights="w")
    files = [*make(source, Integers()).directory.glob("*/*.npy")]
    needed = sum(path.stat().st_size - 128 for path in files)
    assert needed > ids.nbytes + 90 * 8
    for free, fits in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: type("Usage", (), {"free": free}))
        with nullcontext() if fits else pytest.raises(CapacityError, match="the prepared data needs"):
            make(source, Integers(), directory=f"other{free}")


def _prepare_in_child(directory: str, ready: Any, queue: Any) -> None:
    ready.wait(30)
    prepared = make(NpySource("x.npy", "y.npy"), Standardize(), directory=directory)
    queue.put((prepared.digest, float(prepared.split("train").inputs.sum())))


def test_two_processes_may_prepare_at_once() -> None:
    save(RNG.normal(size=(20000, 40)), np.arange(20000) % 2)
    context = multiprocessing.get_context("spawn")
    queue, ready = context.Queue(), context.Barrier(2)
    children = [context.Process(target=_prepare_in_child, args=("prepared", ready, queue)) for _ in range(2)]
    for child in children:
        child.start()
    results = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    assert results[0] == results[1]
    assert len(list(Path("prepared").glob("*/schema.json"))) == 1


def test_a_test_set_of_its_own_is_kept() -> None:
    save(X[:10] + 1, Y[:10], "test_")
    save()
    prepared = make(NpySource("x.npy", "y.npy", "test_x.npy", "test_y.npy"))
    assert prepared.splits == {"train": 72, "validation": 18, "test": 10}
    assert prepared.schema.own_test
    np.testing.assert_array_equal(prepared.split("test").inputs, (X[:10] + 1).astype(np.float32))


def test_regression_and_splits_of_nothing() -> None:
    prepared = make(SklearnSource("diabetes"), split=Split(0.0, 0.0), dtype="float64")
    assert prepared.splits == {"train": 442}
    assert prepared.schema.task == "regression"
    assert prepared.schema.target_shape == (1,)
    x, y = pair(prepared, "train")
    assert (x.dtype, y.dtype, y.shape) == (np.float64, np.float64, (442, 1))


def test_a_table_of_mixed_columns() -> None:
    towns = ["Bonn", "Ulm", "Jena"]
    lines = [f"{i},{towns[i % 3]},{'yes' if i % 2 else 'no'}" for i in range(60)]
    Path("d.csv").write_text("\n".join(["n,town,ok", *lines]))
    prepared = make(CsvSource("d.csv", "ok"), Standardize(), OneHot())
    assert prepared.schema.feature_names == ("n", "town=Bonn", "town=Jena", "town=Ulm")
    assert prepared.schema.classes == ("no", "yes")
    x = prepared.split("train").inputs
    assert set(x[:, 1:].ravel().tolist()) == {0.0, 1.0}
    assert (x[:, 1:].sum(axis=1) == 1).all()


def test_several_problems_at_once() -> None:
    x, y = X.copy(), Y[:80].astype(float)
    x[7, 2], x[8, 0], y[4] = np.nan, np.inf, np.inf
    lines = problems(save(x, y))
    assert lines == [
        "column 2 is nan in row 7 (counted from 0): mend the data, or add {type: impute} to data.preprocess",
        "the target in row 4 (counted from 0) is missing (NaN) or infinite",
    ]
    assert problems(save(X, Y[:80])) == ["there are 90 inputs but 80 targets"]


def test_nan_in_images_is_placed() -> None:
    images = np.zeros((40, 5, 5), np.float32)
    images[31, 4, 2] = -np.inf
    assert "position (4, 2) is -inf in row 31" in problems(save(images, np.arange(40) % 2))[0]


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (X[:0], Y[:0], {}, "the data is empty"),
        (X[:3], Y[:3], {"split": Split(0.1, 0.0)}, "the validation split of 3 samples is empty"),
        (X, np.zeros(90, int), {}, "all training labels are 0"),
        (X, Y + 0.5, {"task": "classification"}, "is not a whole number"),
        (X, RNG.permutation(90), {}, "set data.task: regression and a loss such as mse"),
        (X * 1e300, Y, {}, "not finite in float32"),
    ],
)
def test_data_that_cannot_be_trained_on(x: Any, y: Any, options: Any, message: str) -> None:
    assert message in problems(save(x, y), **options)[0]


@pytest.mark.parametrize("rows", ["", "1,\n,2\n"])
def test_a_table_without_a_complete_row(rows: str) -> None:
    Path("d.csv").write_text("a,y\n" + rows)
    assert problems(CsvSource("d.csv", "y", missing="drop")) == ["the data is empty: it has no samples"]


def test_labels_the_training_split_does_not_know() -> None:
    save()
    save(X[:10], np.full(10, 8), "test_")
    lines = problems(NpySource("x.npy", "y.npy", "test_x.npy", "test_y.npy"))
    assert "label 8 in row 0 (counted from 0) is out of range" in lines[0]


def test_no_room_and_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    source = save()
    Path("file").write_text("")
    with pytest.raises(DataError, match="cannot be made"):
        make(source, directory="file/prepared")
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(CapacityError, match="free: give another folder"):
        make(source)
