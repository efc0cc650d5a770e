import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dist_bp.data import reader
from dist_bp.errors import DataError, UserError
from dist_bp.serve import SavedModel
from dist_bp.serve.files import prediction_file, reader_of
from tests.serve.samples import configuration, save

COLUMNS = ["size", "colour", "weight"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 rows with a category whose names look like numbers."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": draw.normal(size=200),
            "colour": draw.choice(["01", "2", "03"], 200),
            "weight": draw.integers(0, 9, 200),
            "price": draw.normal(size=200),
        }
    )
    path = tmp_path_factory.mktemp("table") / "table.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def model(table: Path) -> SavedModel:
    source = {"type": "csv", "path": str(table), "target": "price", "categorical": ["colour"]}
    data = {
        "source": source,
        "preprocess": [{"type": "standardize"}, {"type": "one_hot"}],
        "prepared": str(table.parent / "prepared"),
    }
    return SavedModel.load(save(configuration(table.parent, source, 1, data=data, loss={"type": "mse"})))


def test_blocks_are_the_file_in_pieces(table: Path, model: SavedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pd.read_csv(table, dtype={"colour": str})
    texts.to_parquet(table.with_suffix(".parquet"))
    texts.to_csv(table.with_suffix(".tsv"), sep="\t", index=False)
    whole = model.predict(texts)
    monkeypatch.setattr(reader, "BLOCK_BYTES", 8 * 3 * 30)
    for suffix in (".csv", ".tsv", ".parquet"):
        blocks = [rows.inputs for rows in reader_of(model).rows(str(table.with_suffix(suffix)))]
        assert [len(block) for block in blocks] == [30] * 6 + [20]
        parts = pd.concat([model.predict(block) for block in blocks], ignore_index=True)
        pd.testing.assert_frame_equal(parts, whole)


def test_a_missing_column_is_named(table: Path, model: SavedModel, tmp_path: Path) -> None:
    frame = pd.read_csv(table).drop(columns="weight")
    frame.to_csv(tmp_path / "less.csv", index=False)
    frame.to_parquet(tmp_path / "less.parquet")
    for name in ("less.csv", "less.parquet"):
        with pytest.raises(DataError, match="'weight'"):
            next(reader_of(model).rows(str(tmp_path / name)))


@pytest.mark.parametrize("name", ["bad.csv", "bad.parquet", "bad.npy", "bad.docx", "absent.csv", "absent.parquet"])
def test_damaged_files_are_one_line(model: SavedModel, tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.csv").write_text('size,colour,weight\n1,2,3\n1,2,3,4,5,6\n"')
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but no more")
    (tmp_path / "bad.npy").write_bytes(b"")
    (tmp_path / "bad.docx").write_bytes(b"")
    with pytest.raises(DataError, match=name.replace(".", r"\.")) as caught:
        list(reader_of(model).rows(str(tmp_path / name)))
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy"])
def test_predictions_come_back_from_their_file(tmp_path: Path, suffix: str) -> None:
    classes = ["cat", "horse"]
    frame = pd.DataFrame({"prediction": ["cat", "horse", "cat"], "probability_cat": [0.9, 0.25, 0.7]})
    path = tmp_path / f"out{suffix}"
    with prediction_file(path, False, classes) as write:
        for block in (frame[:0], frame[:1], frame[1:]):
            write(block)
    assert os.listdir(tmp_path) == [path.name]
    if suffix == ".npy":
        assert np.load(path).tolist() == ["cat", "horse", "cat"]
    else:
        read = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
        pd.testing.assert_frame_equal(read, frame)


def test_several_values_are_the_columns_of_an_array(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    frame = pd.DataFrame(values, columns=["prediction_0", "prediction_1"])
    with prediction_file(tmp_path / "out.npy", False) as write:
        write(frame[:2])
        write(frame[2:])
    written = np.load(tmp_path / "out.npy")
    assert written.dtype == np.float32
    np.testing.assert_array_equal(written, values)


def test_an_existing_file_stays_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    frame = pd.DataFrame({"prediction": [1.5]})
    with pytest.raises(UserError, match="--force"), prediction_file(path, False) as write:
        write(frame)
    assert path.read_text() == "old"
    with pytest.raises(KeyError), prediction_file(path, True) as write:
        write(pd.concat([frame, frame["none"]]))
    assert path.read_text() == "old"
    with prediction_file(path, True) as write:
        write(frame)
    assert path.read_text() == "prediction\n1.5\n"
    assert os.listdir(tmp_path) == ["out.csv"]


@pytest.mark.parametrize(("name", "message"), [("out.xlsx", "told by the suffix"), ("no/out.csv", "cannot be written")])
def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught, prediction_file(tmp_path / name, False) as write:
        write(pd.DataFrame({"prediction": [1]}))
    assert len(caught.value.problems) == 1


LIMITED = """
import resource, sys
from pathlib import Path
from dist_bp.serve import SavedModel
from dist_bp.serve.files import prediction_file, reader_of

model = SavedModel.load(sys.argv[1])
model.predict(next(reader_of(model).rows(sys.argv[2])).inputs)  # all is imported and every thread started
used = 1024 * int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1])
resource.setrlimit(resource.RLIMIT_DATA, (used + int(sys.argv[4]), resource.RLIM_INFINITY))
rows = 0
with prediction_file(Path(sys.argv[3]), False) as write:
    for block in reader_of(model).rows(sys.argv[2]):
        write(model.predict(block.inputs))
        rows += len(block)
print(rows)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_DATA"), reason="needs a limit on memory")
def test_a_file_larger_than_memory_is_predicted(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", draw.normal(size=(50, 2048)))
    np.save(tmp_path / "y.npy", draw.normal(size=50))
    source = {"type": "npy", "inputs": str(tmp_path / "x.npy"), "targets": str(tmp_path / "y.npy")}
    path = save(configuration(tmp_path, source, 1, loss={"type": "mse"}))
    large = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.float32, (30_000, 2048))
    size = large.nbytes
    large[-1] = 1.0
    del large
    limit = 120_000_000
    assert size > 2 * limit
    arguments = [str(path), str(tmp_path / "large.npy"), str(tmp_path / "out.npy"), str(limit)]
    done = subprocess.run([sys.executable, "-c", LIMITED, *arguments], capture_output=True, text=True)
    assert done.stdout == "30000\n", done.stderr
    predicted = np.load(tmp_path / "out.npy")
    np.testing.assert_allclose(predicted[-1], SavedModel.load(path).predict(np.ones((1, 2048)))["prediction"])
    assert len(set(predicted[:-1].tolist())) == 1
