"""Functions as a source, and what sources are known by."""

import sys
from pathlib import Path

import numpy as np
import pytest

from dist_bp.data import Split, files, prepare
from dist_bp.data.files import DigestCache
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.function import FunctionSource
from dist_bp.errors import ConfigError
from tests.data.tables import CSV, digest, load, problems, write_csv

pytestmark = pytest.mark.usefixtures("workplace")


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
