import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dist_bp.data import Prepared, Split, prepare, read_inputs
from dist_bp.data.preprocess.one_hot import OneHot
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.scikit_learn import SklearnSource
from dist_bp.errors import DataError
from tests.data.test_sources import IMAGES, LABELS, idx_bytes

ROWS = "n;flag;ok\n" + "".join(f"{i};{['yes', 'no', '01'][i % 3]};{'pq'[i % 2]}\n" for i in range(30))


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def table() -> Prepared:
    Path("d.csv").write_text(ROWS)
    return prepare(CsvSource("d.csv", "ok", separator=";"), Split(), [OneHot()], 0, "float32", "prepared")


def test_csv_is_read_as_in_training(table: Prepared) -> None:
    samples = read_inputs("d.csv", table.pipeline, separator=";")
    x, y = table.pipeline.transform(samples.inputs), table.pipeline.encode_targets(samples.targets)
    assert x.shape == (30, 4)
    np.testing.assert_array_equal(y, np.arange(30) % 2)
    trained = np.concatenate([table.split(name)[0] for name in table.splits])
    np.testing.assert_array_equal(x, trained[np.argsort(trained[:, 0])])


def test_csv_without_targets_and_with_more_columns(table: Prepared) -> None:
    Path("new.csv").write_text("more,flag,n\n1,01,3\n1,1,4\n")
    samples = read_inputs("new.csv", table.pipeline)
    assert samples.targets is None
    assert table.pipeline.transform(samples.inputs).tolist() == [[3, 1, 0, 0], [4, 0, 0, 0]]
    Path("new.tsv").write_text("flag\tn\n01\t3\n")
    assert len(read_inputs("new.tsv", table.pipeline).inputs) == 1
    pd.DataFrame({"n": [1], "flag": ["no"], "ok": ["q"]}).to_parquet("new.parquet")
    assert read_inputs("new.parquet", table.pipeline).targets.tolist() == ["q"]


def test_csv_for_a_model_of_plain_arrays() -> None:
    pipeline = prepare(SklearnSource("iris"), Split(), [], 0, "float32", "prepared").pipeline
    names = pipeline.features.names
    pd.DataFrame([[1, 2, 3, 4, "virginica"]], columns=[*names, "kind"]).to_csv("new.csv", index=False)
    samples = read_inputs("new.csv", pipeline, target="kind")
    assert pipeline.transform(samples.inputs).tolist() == [[1, 2, 3, 4]]
    assert pipeline.encode_targets(samples.targets).tolist() == [2]


def test_arrays(table: Prepared) -> None:
    np.save("x.npy", IMAGES)
    np.save("y.npy", LABELS)
    np.savez("d.npz", x=IMAGES, y=LABELS)
    np.savez("alone.npz", x=IMAGES)
    Path("i-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(IMAGES)))
    Path("l.idx").write_bytes(idx_bytes(LABELS))
    for path, labels in (("x.npy", "y.npy"), ("d.npz", None), ("i-idx3-ubyte.gz", "l.idx")):
        samples = read_inputs(path, table.pipeline, labels=labels)
        np.testing.assert_array_equal(samples.inputs, IMAGES)
        np.testing.assert_array_equal(samples.targets, LABELS)
    assert read_inputs("alone.npz", table.pipeline).targets is None
    assert read_inputs("x.npy", table.pipeline).targets is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("d.xls", "the format is told by the suffix"),
        ("none.csv", "not found"),
        ("d.csv", "no column 'n'"),
        ("gap.csv", "missing in row 1"),
    ],
)
def test_files_that_cannot_be_read(table: Prepared, path: str, message: str) -> None:
    Path("gap.csv").write_text("n,flag,ok\n1,no,p\n2,no,\n")
    with pytest.raises(DataError, match=message):
        read_inputs(path, table.pipeline)
