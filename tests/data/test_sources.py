import gzip
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from dist_bp.data import Source, Split, files, prepare
from dist_bp.data.conform import conform
from dist_bp.data.files import DigestCache
from dist_bp.data.sources.base import Dataset
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.function import FunctionSource
from dist_bp.data.sources.idx import IdxSource
from dist_bp.data.sources.npy import NpySource
from dist_bp.data.sources.npz import NpzSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.data.sources.scikit_learn import SklearnSource
from dist_bp.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(source: Source) -> Dataset:
    return source.open(DigestCache(Path.cwd())).load()


def digest(source: Source) -> str:
    return source.open(DigestCache(Path.cwd())).digest


def problems(source: Source) -> list[str]:
    with pytest.raises(DataError) as caught:
        load(source)
    return caught.value.problems


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


CSV = "size,town,fine,price\n1,Bonn,true,10\n2.5,Köln,TRUE,20\n3,Bonn,false,30\n"


def write_csv(text: str, name: str = "d.csv") -> None:
    Path(name).write_text(text, encoding="utf-8")


def test_csv_kinds_are_inferred() -> None:
    write_csv(CSV)
    dataset = load(CsvSource("d.csv", "price"))
    assert dataset.features.names == ("size", "town", "fine")
    assert dataset.features.categorical == ("town", "fine")
    inputs = conform(dataset.samples.inputs, dataset.features)
    assert inputs.numbers.tolist() == [[1], [2.5], [3]]
    assert inputs.texts.tolist() == [["Bonn", "True"], ["Köln", "True"], ["Bonn", "False"]]
    assert dataset.samples.targets.dtype == np.int64
    assert dataset.column == "price"


def test_csv_columns_can_be_chosen_and_declared() -> None:
    write_csv(CSV.replace(",", ";").replace("1;", "007;"))
    source = CsvSource("d.csv", "price", ("town", "size"), ("town", "size"), separator=";")
    dataset = load(source)
    inputs = conform(dataset.samples.inputs, dataset.features)
    assert inputs.texts.tolist() == [["Bonn", "007"], ["Köln", "2.5"], ["Bonn", "3"]]
    numeric = load(CsvSource("d.csv", "price", ("size", "town"), numeric=("size",), separator=";"))
    inputs = conform(numeric.samples.inputs, numeric.features)
    assert inputs.numbers.tolist() == [[7], [2.5], [3]]


GAPS = "a,t,y\n1,x,1\n,y,2\n3,,3\n4,z,\n5,x,5\n"


def test_csv_missing_values() -> None:
    write_csv(GAPS)
    lines = problems(CsvSource("d.csv", "y"))
    assert [line.split(":")[0] for line in lines] == [
        f"column {name!r} of 'd.csv' has 1 missing values, first in row {row} (counted from 0)"
        for name, row in (("a", 1), ("t", 2), ("y", 3))
    ]
    dropped = load(CsvSource("d.csv", "y", missing="drop")).samples
    assert dropped.inputs["a"].tolist() == [1, 5]
    assert dropped.targets.tolist() == [1, 5]
    assert dropped.targets.dtype == np.int64
    assert "'y'" in problems(CsvSource("d.csv", "y", missing="impute"))[0]
    write_csv(GAPS.replace("z,\n", "z,4\n"))
    dataset = load(CsvSource("d.csv", "y", missing="impute"))
    inputs = conform(dataset.samples.inputs, dataset.features)
    assert np.isnan(inputs.numbers[:, 0]).tolist() == [False, True, False, False, False]
    assert inputs.texts[:, 0].tolist() == ["x", "y", None, "z", "x"]


def test_csv_columns_that_are_not_there() -> None:
    write_csv(CSV)
    lines = problems(CsvSource("d.csv", "prize", features=("sise", "town")))
    assert len(lines) == 2
    assert "target: data file 'd.csv' has no column 'prize' (did you mean 'price'?)" in lines
    assert "'sise' (did you mean 'size'?)" in lines[1]
    assert "'color' is not among the features" in problems(CsvSource("d.csv", "price", categorical=("color",)))[0]
    with pytest.raises(ConfigError, match=r"categorical: must be among data.source.features, which lacks 'color'"):
        CsvSource("d.csv", "price", features=("size",), categorical=("color",))
    write_csv("a;b;y\n1;2;3\n")
    assert "only one column: set data.source.separator: ';'" in problems(CsvSource("d.csv", "y"))[-1]
    write_csv("y\n1\n")
    assert "no columns besides the target" in problems(CsvSource("d.csv", "y"))[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'d.csv' is empty"),
        (b"a,y\n1,2\n1,2,3\n", "line 3, row 1 (counted from 0), has 3 fields, the header 2: put quotes"),
        (b"a,y\n1,2,3\n1,2,3\n", "line 2, row 0 (counted from 0), has 3 fields"),
        (b"a,y\n1,2\n1\n", "'y' of 'd.csv' has 1 missing values, first in row 1"),
        (
            b"a,y\n\xff\xfe,2\n",
            "not written in utf-8 (byte 0xff): set its encoding, such as data.",
        ),
        (b"a,y\n1,2\ninf,3\n", "infinite value, first in row 1"),
    ],
)
def test_damaged_csv(content: bytes, message: str) -> None:
    Path("d.csv").write_bytes(content)
    assert message in problems(CsvSource("d.csv", "y"))[0]


def test_the_test_table_follows_the_kinds_of_the_other() -> None:
    write_csv("a,t,y\n1,x,1\n2,y,2\n")
    write_csv("y,t,a\n1,1,3\n2,2,4\n", "test.csv")
    dataset = load(CsvSource("d.csv", "y", test_path="test.csv"))
    assert dataset.test is not None
    inputs = conform(dataset.test.inputs, dataset.features)
    assert inputs.numbers.tolist() == [[3], [4]]
    assert inputs.texts.tolist() == [["1"], ["2"]]
    write_csv("y,t\n1,1\n", "test.csv")
    assert "'test.csv' has no column 'a'" in problems(CsvSource("d.csv", "y", test_path="test.csv"))[0]


def test_parquet() -> None:
    frame = pd.DataFrame({"a": [1, None, 3], "t": ["x", "y", None], "b": [True, False, True], "y": ["p", "q", "p"]})
    frame.to_parquet("d.parquet")
    assert len(problems(ParquetSource("d.parquet", "y"))) == 2
    dataset = load(ParquetSource("d.parquet", "y", missing="impute"))
    assert dataset.features.categorical == ("t", "b")
    inputs = conform(dataset.samples.inputs, dataset.features)
    assert inputs.texts.tolist() == [["x", "True"], ["y", "False"], [None, "True"]]
    assert dataset.samples.targets.tolist() == ["p", "q", "p"]
    Path("bad.parquet").write_text("nothing")
    assert "'bad.parquet' is not a readable parquet file" in problems(ParquetSource("bad.parquet", "y"))[0]
    frame.assign(a=pd.Timestamp("2020-01-01"), t="x").to_parquet("d.parquet")
    assert "'a' of 'd.parquet' holds dates or times (timestamp" in problems(ParquetSource("d.parquet", "y"))[0]


MODULE = """
import numpy as np, pandas as pd
from decimal import Decimal

def pair(n=4, classes=None):
    return np.arange(n * 2.0).reshape(n, 2), np.arange(n) % 2

def named(**options):
    x, y = pair()
    return dict(inputs=x, targets=y, test_inputs=x, test_targets=y, feature_names=["a", "b"], classes=["no", "yes"])

def frame():
    return pd.DataFrame({"a": [1, 2], "t": ["x", "y"]}), ["p", "q"]

def objects():
    mixed = pd.Series([1, "?", 2.5], dtype=object)
    return pd.DataFrame({"m": mixed, "d": [Decimal(1)] * 3, "t": ["x", None, "y"], "b": [True, None, False]}), [1, 2, 3]

def numbers_but_for_one():
    cells = ["1", "?", "3"]
    columns = {"a": cells, "b": [None, "2", "x"], "c": pd.Categorical(cells), "d": ["1", "2", "3"]}
    return pd.DataFrame({**columns, "e": ["1", "NA", "3"], "f": ["2024-01", "2024-02", "x"]}), [1, 2, 3]

def unique_labels():
    x, y = pair()
    return dict(inputs=x, targets=y + 3, classes=np.unique(y + 3))

def broken():
    raise RuntimeError("no luck")

def ragged():
    return [[[1], [2, 2]], [[3]]], [0, 1]

def nothing():
    return 3

def half():
    return dict(inputs=1, targets=2, test_inputs=3)
"""


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_data.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_data", raising=False)
    return "own_data"


def test_function(user_module: str) -> None:
    dataset = load(FunctionSource(f"{user_module}:pair", {"n": 6}))
    assert dataset.samples.inputs.shape == (6, 2)
    dataset = load(FunctionSource(f"{user_module}:named"))
    assert dataset.test is not None
    assert dataset.classes == ("no", "yes")
    assert dataset.features.names == ("a", "b")
    dataset = load(FunctionSource(f"{user_module}:frame"))
    assert dataset.features.categorical == ("t",)


def test_columns_of_python_objects_are_refused_by_name(user_module: str) -> None:
    function = f"{user_module}:objects"
    assert problems(FunctionSource(function)) == [
        f"column 'm' of {function} holds Python objects (mixed-integer): make one of numbers or of text of it",
        f"column 'd' of {function} holds Python objects (decimal): make one of numbers or of text of it",
    ]


def test_numbers_of_a_function_are_no_categories_in_silence(user_module: str) -> None:
    function = f"{user_module}:numbers_but_for_one"
    remedy = "make numbers of it (pandas.to_numeric), or give it the type category"
    assert problems(FunctionSource(function)) == [
        f"column 'a' of {function} holds numbers, but '?' in row 1 (counted from 0): {remedy}",
        f"column 'e' of {function} holds numbers, but 'NA' in row 1 (counted from 0): {remedy}",
        f"column 'f' of {function} holds dates or times, first '2024-01' in row 0 (counted from 0): make numbers of "
        "them, or give it the type category",
    ]


def test_labels_of_numpy_are_names_of_classes(user_module: str) -> None:
    dataset = load(FunctionSource(f"{user_module}:unique_labels"))
    assert dataset.classes == (3, 4)
    assert [type(name) for name in dataset.classes] == [int, int]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", "failed: RuntimeError: no luck"),
        ("ragged", "ragged along more than their first axis"),
        ("nothing", "it returned int"),
        ("half", "together"),
    ],
)
def test_functions_that_do_not_work(user_module: str, name: str, message: str) -> None:
    assert message in problems(FunctionSource(f"{user_module}:{name}"))[0]


@pytest.mark.parametrize(
    ("test", "lengths"), [("[[1, 0], [0, 1]]", [2, 2]), ("np.ones((2, 2), int)", [2, 2]), ("[[1], [0, 1]]", [1, 2])]
)
def test_a_test_set_may_happen_to_have_one_length(
    tmp_path: Path, user_module: str, test: str, lengths: list[int]
) -> None:
    (tmp_path / f"{user_module}.py").write_text(
        "import numpy as np\n"
        "rows = [[0, 1], [1], [1, 0, 1]] * 4\n"
        f"def data(): return dict(inputs=rows, targets=rows, test_inputs={test}, test_targets={test})\n"
        f"def several(): return {{**data(), 'inputs': {{'a': rows}}, 'test_inputs': {{'a': {test}}}}}\n"
    )
    for name in ("data", "several"):
        source = FunctionSource(f"{user_module}:{name}")
        prepared = prepare(source, Split(0.25, 0.0), [], seed=0, dtype="float32", directory=tmp_path / "prepared")
        inputs = prepared.split("test").inputs
        assert np.diff((inputs["a"] if name == "several" else inputs).offsets).tolist() == lengths


def test_a_test_set_of_several_lengths_beside_samples_of_one(tmp_path: Path, user_module: str) -> None:
    (tmp_path / f"{user_module}.py").write_text(
        "def data(): return dict(inputs=[[1, 2]] * 9, targets=[0] * 9, test_inputs=[[1], [1, 2]], test_targets=[0, 0])"
    )
    (line,) = problems(FunctionSource(f"{user_module}:data"))
    assert line == f"the test set of {user_module}:data has samples of shape (any), the others (2,)"


@pytest.mark.parametrize(
    ("name", "message"), [("no_such_module:f", "no module 'no_such_module'"), (":absent", "has no absent")]
)
def test_a_function_that_is_not_there(user_module: str, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(FunctionSource(user_module + name if name.startswith(":") else name))


def test_digests_follow_content_and_options(user_module: str) -> None:
    write_csv(CSV)
    first = digest(CsvSource("d.csv", "price"))
    write_csv(CSV, "copy.csv")
    assert digest(CsvSource("copy.csv", "price")) == first
    options = [{"target": "size"}, {"missing": "drop"}, {"separator": ";"}, {"features": ("size",)}]
    others = [digest(CsvSource(**({"path": "d.csv", "target": "price"} | it))) for it in options]  # type: ignore[arg-type]
    assert len({first, *others}) == 5
    write_csv(CSV.replace("30", "31"))
    assert digest(CsvSource("d.csv", "price")) != first
    small, large = (FunctionSource(f"{user_module}:pair", {"n": n}) for n in (4, 6))
    assert digest(small) == digest(small) != digest(large)


def test_the_digest_of_an_unchanged_file_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib
    import os

    monkeypatch.setattr(files, "SETTLED_SECONDS", 0.0)
    write_csv(CSV)
    os.utime("d.csv", (1, 1))
    first = digest(CsvSource("d.csv", "price"))
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)
        assert digest(CsvSource("d.csv", "price")) == first
    write_csv(CSV.replace("30", "31"))
    assert digest(CsvSource("d.csv", "price")) != first
    Path("digests.json").write_text("{torn")
    assert digest(CsvSource("d.csv", "price")) != first


def test_a_change_is_seen_whatever_times_the_file_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import time

    monkeypatch.setattr(files, "SETTLED_SECONDS", 0.0)
    cache = DigestCache(Path())
    write_csv(CSV)
    before, status = (cache.of_file("d.csv"), cache.of_tree(".", ["d.csv"])), os.stat("d.csv")
    time.sleep(0.05)  # longer than a tick of the times of files
    with open("d.csv", "r+") as file:
        file.write("S")
    os.utime("d.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    after = os.stat("d.csv")
    same = ("st_size", "st_mtime_ns", "st_ino")
    assert [getattr(after, name) for name in same] == [getattr(status, name) for name in same]
    assert cache.of_file("d.csv") != before[0]
    assert cache.of_tree(".", ["d.csv"]) != before[1]


def test_a_file_that_has_just_changed_is_not_remembered_whatever_time_it_says() -> None:
    import os

    write_csv(CSV)
    os.utime("d.csv", (1, 1))
    DigestCache(Path()).of_file("d.csv")
    DigestCache(Path()).of_tree(".", ["d.csv"])
    assert not Path("digests.json").exists()


def test_a_table_that_pandas_wrote_with_an_index(workplace: Path) -> None:
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "price": [1.5, 2.5, 3.5, 4.5]})
    frame.iloc[1:].to_parquet("numbered.parquet")
    frame.set_index("size").to_parquet("named.parquet")
    for name, rows in (("numbered.parquet", 3), ("named.parquet", 4)):
        dataset = load(ParquetSource(name, "price"))
        assert dataset.features.names == ("size",)
        assert len(dataset.samples.inputs) == rows


def test_a_truncated_archive_is_named(workplace: Path) -> None:
    np.savez("whole.npz", x=np.zeros((50, 3)), y=np.arange(50))
    Path("torn.npz").write_bytes(Path("whole.npz").read_bytes()[:500])
    assert "'torn.npz' is not a readable .npz file" in problems(NpzSource("torn.npz"))[0]
