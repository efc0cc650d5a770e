"""Training, `evaluate` and `predict` read a file for the same rows, in whatever form it is written."""

import bz2
import csv
import gzip
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from dist_bp import build
from dist_bp.cli.main import main
from dist_bp.data import Pipeline, Reader, Split, Targets, prepare, reader
from dist_bp.data.preprocess.one_hot import Indicators, OneHot
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.data.tables.column import Column
from dist_bp.data.tables.parquet import ParquetFile
from dist_bp.errors import DataError
from dist_bp.serve import SavedModel
from dist_bp.serve.files import evaluate_file, predict_files
from tests.data.test_array_sources import idx_bytes
from tests.serve.samples import configuration, save

ROWS = 60
DRAW = np.random.default_rng(0)
NUMBERS = np.round(DRAW.normal(0, 2000, ROWS), 2).tolist()
COLOURS = [["röd", "grön", 'a;b, "c"', "None"][row % 4] for row in range(ROWS)]
IDS = [2**53 + 1 + row % 3 for row in range(ROWS)]
LABELS = ["no" if row % 3 else "yes" for row in range(ROWS)]
COLUMNS = ["a", "c", "i", "y"]


def text(number: Callable[[float], str] = str, separator: str = ",", end: str = "", header: bool = True) -> str:
    out = io.StringIO()
    rows = zip(map(number, NUMBERS), COLOURS, IDS, LABELS, strict=True)
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows([*([COLUMNS] if header else []), *rows])
    return out.getvalue().replace("\n", f"{end}\n")


def european(number: float) -> str:
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


def gap(number: float) -> str:
    return "?" if number == NUMBERS[7] else str(number)


FRAME = pd.DataFrame({"a": NUMBERS, "c": COLOURS, "i": IDS, "y": LABELS})
KEEP = {"keep_default_na": False}
TEXTS: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "plain": ("d.csv", text().encode(), KEEP),
    "separators at the ends": ("d.csv", text(end=",").encode(), KEEP),
    "european": ("d.csv", text(european, ";").encode(), {**KEEP, "separator": ";", "decimal": ",", "thousands": "."}),
    "packed": ("d.csv.gz", gzip.compress(text(separator="|").encode()), {**KEEP, "separator": "|"}),
    "packed, of another name": ("d.data", bz2.compress(text(separator=";").encode()), {**KEEP, "separator": ";"}),
    "tabs": ("d.tsv", text(separator="\t").encode(), KEEP),
    "tabs, packed": ("d.tsv.gz", gzip.compress(text(separator="\t").encode()), KEEP),
    "commas in tsv": ("d.tsv", text().encode(), {**KEEP, "separator": ","}),
    "latin-1": ("d.csv", text().encode("latin-1"), {**KEEP, "encoding": "latin-1"}),
    "utf-16": ("d.txt", text().encode("utf-16"), {**KEEP, "encoding": "utf-16"}),
    "no header": ("d.csv", text(header=False).encode(), {**KEEP, "header": False, "names": COLUMNS}),
    "comments": ("d.csv", f"#1\n{text()}#2\n".encode(), {**KEEP, "comment": "#"}),
    "a title": ("d.csv", f"of 2024\n\n{text()}".encode(), {**KEEP, "skip_rows": 2}),
    "an index": ("d.csv", FRAME.to_csv().encode(), KEEP),
    "other columns": ("d.csv", FRAME.assign(z="x").to_csv(index_label="k").encode(), {**KEEP, "exclude": ["k", "z"]}),
    "gaps": ("d.csv", text(gap).encode(), {"na_values": ["?"], "missing": "impute"}),
    "gaps dropped": ("d.csv", text(gap).encode(), {"na_values": ["?"], "missing": "drop"}),
}


def tables() -> dict[str, tuple[str, pa.Table, dict[str, Any]]]:
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    decimals = pa.array(NUMBERS).cast(pa.decimal128(12, 2))
    return {
        "plain": ("d.parquet", table, {}),
        "decimals": ("d.parquet", table.set_column(0, "a", decimals), {}),
        "a dictionary": ("d.pq", table.set_column(1, "c", table["c"].dictionary_encode()), {}),
        "an index": ("d.parquet", pa.Table.from_pandas(FRAME.set_index("a")), {}),
        "rows without names": ("d.parquet", pa.Table.from_pandas(FRAME.iloc[::-1]), {}),
        "of another name": ("part-0", table, {}),
        "nullable": ("d.parquet", table.set_column(2, "i", pa.array([None, *IDS[1:]])), {"missing": "impute"}),
    }


def trained(folder: Path, source: dict[str, Any]) -> SavedModel:
    steps = [{"type": "impute"}, {"type": "impute", "strategy": "most_frequent"}, {"type": "one_hot"}]
    data = {"source": source, "preprocess": [*steps, {"type": "standardize"}], "prepared": str(folder / "prepared")}
    if source["type"] not in ("csv", "parquet"):
        data["preprocess"] = [{"type": "standardize"}]
    return SavedModel.load(save(configuration(folder, source, 2, data=data)))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    assert ended.value.code == 0, captured.err
    return captured.out


def check(source: dict[str, Any], path: str, truth: list[str], labels: str | None = None) -> float:
    """The training file, evaluated and predicted, has the score that all splits have together."""
    model = trained(Path.cwd(), source)
    prepared = build.prepare(model.config)
    right, total = 0.0, 0
    for name in prepared.splits:
        split = prepared.split(name)
        total += len(split)
        right += len(split) * model.evaluate_prepared([split], model.loss)["accuracy"]
    assert 0 < right < total
    samples, metrics = evaluate_file(model, path, labels)
    assert samples == total
    assert metrics["accuracy"] == pytest.approx(right / total, abs=1e-12)
    if source.get("missing") != "drop":
        predicted: list[pd.DataFrame] = []
        assert predict_files(model, [path], predicted.append) == (total, None)
        hits = [str(one) == other for one, other in zip(pd.concat(predicted)["prediction"], truth, strict=True)]
        assert np.mean(hits) == pytest.approx(right / total)
    return metrics["accuracy"]


@pytest.fixture(autouse=True)
def small_blocks(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """25 rows of three columns each, so that a file is several."""
    monkeypatch.setattr(reader, "BLOCK_BYTES", 8 * 3 * 25)


@pytest.mark.parametrize("form", TEXTS)
def test_text(form: str) -> None:
    path, content, options = TEXTS[form]
    Path(path).write_bytes(content)
    check({"type": "csv", "path": path, "target": "y", "categorical": ["i"], **options}, path, LABELS)


@pytest.mark.parametrize("form", tables())
def test_parquet(form: str) -> None:
    path, table, options = tables()[form]
    parquet.write_table(table, path, row_group_size=40)
    source = {"type": "parquet", "path": path, "target": "y", "categorical": ["i"], **options}
    check(source, path, table["y"].to_pylist())


def test_arrays() -> None:
    x, y = DRAW.integers(0, 9, (ROWS, 3)).astype(np.uint8), np.arange(ROWS, dtype=np.uint8) % 2
    np.savez("d.npz", images=x, labels=y)
    np.save("x.npy", x)
    np.save("y.npy", y)
    Path("x").write_bytes(gzip.compress(idx_bytes(x)))
    Path("y.idx").write_bytes(idx_bytes(y))
    truth = [str(label) for label in y]
    check({"type": "npz", "path": "d.npz", "inputs": "images", "targets": "labels"}, "d.npz", truth)
    check({"type": "npy", "inputs": "x.npy", "targets": "y.npy"}, "x.npy", truth, "y.npy")
    check({"type": "idx", "images": "x", "labels": "y.idx"}, "x", truth, "y.idx")


def test_what_names_the_rows_goes_with_the_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"00{row}" for row in range(ROWS)]
    FRAME.assign(name=names).to_csv("d.csv", index=False)
    FRAME[["c", "i", "a"]].to_csv("new.csv", index=False, sep=";", decimal=",")
    source = {"type": "csv", "path": "d.csv", "target": "y", "id_column": "name", "categorical": ["i"], **KEEP}
    score = check({**source, "id_column": None, "exclude": ["name"]}, "d.csv", LABELS)
    trained(Path.cwd(), source)
    assert json.loads(run(capsys, "evaluate", "runs/run", "--data", "d.csv", "--json"))["metrics"]["accuracy"] == score
    said = run(capsys, "predict", "runs/run", "--input", "d.csv", "--output", "out.csv")
    assert said == "60 predictions written to out.csv\n"
    first = pd.read_csv("out.csv", dtype={"name": str})
    assert first.columns.tolist() == ["name", "prediction", "probability_no", "probability_yes"]
    assert first["name"].tolist() == names
    options = ("--csv", "separator=;", "--csv", "decimal=,")
    said = run(capsys, "predict", "runs/run", "--input", "new.csv", "--output", "new.parquet", *options)
    assert said == "60 predictions written to new.parquet; new.csv has no column 'name'\n"
    other = pd.read_parquet("new.parquet")
    pd.testing.assert_frame_equal(other, first.drop(columns="name"), check_dtype=False, check_exact=False)


def test_names_of_the_rows_may_be_missing_and_called_anything(capsys: pytest.CaptureFixture[str]) -> None:
    names = pd.Series(["", "1", "007"] + [""] * (ROWS - 4) + ["last"])
    for turn in (names, names[::-1]):
        FRAME.assign(prediction_id=turn.tolist()).to_csv("d.csv", index=False)
        source = {"type": "csv", "path": "d.csv", "target": "y", "id_column": "prediction_id", "categorical": ["i"]}
        trained(Path.cwd(), {**source, **KEEP})
        for suffix in ("parquet", "csv", "npy"):
            run(capsys, "predict", "runs/run", "--input", "d.csv", "--output", f"out.{suffix}", "--force")
        table, text = pd.read_parquet("out.parquet"), pd.read_csv("out.csv", dtype=str, keep_default_na=False)
        assert table["prediction_id"].fillna("").tolist() == turn.tolist() == text["prediction_id"].tolist()
        assert np.load("out.npy").tolist() == table["prediction"].tolist()
    typed = pa.table({"a": pa.array([None] * 3 + [2**53 + 1], pa.int64())})
    parquet.write_table(typed, "ids.parquet")
    file = ParquetFile("ids.parquet")
    blocks = [Column(file, "a", block["a"]).names() for block in file.blocks(["a"], 3)]
    assert [str(block.dtype) for block in blocks] == ["Int64", "Int64"]
    assert blocks[1].tolist() == [2**53 + 1]


@pytest.mark.parametrize("missing", ["drop", "impute"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_without_a_name_are_scored_as_they_were_trained_on(missing: str, suffix: str) -> None:
    for names in ([None if row % 3 else f"n{row}" for row in range(ROWS)], [None] * ROWS):
        frame, path = FRAME.assign(name=pd.Series(names, dtype=object)), f"d.{suffix}"
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
        options = {"id_column": "name", "categorical": ["i"], "missing": missing}
        source = {"type": suffix, "path": path, "target": "y", **options, **(KEEP if suffix == "csv" else {})}
        check(source, path, LABELS)


def test_a_file_may_lack_all_values_of_a_column_of_categories() -> None:
    source = {"type": "parquet", "path": "d.parquet", "target": "y", "categorical": ["i"], "missing": "impute"}
    FRAME.to_parquet("d.parquet")
    model = trained(Path.cwd(), source)
    FRAME.assign(c=None).to_parquet("new.parquet")
    FRAME.assign(c="").to_csv("new.csv", index=False)
    predicted: dict[str, list[pd.DataFrame]] = {"new.parquet": [], "new.csv": []}
    for path, parts in predicted.items():
        assert predict_files(model, [path], parts.append) == (ROWS, None)
    pd.testing.assert_frame_equal(*(pd.concat(parts) for parts in predicted.values()))


SIGNS = st.sampled_from([(",", ".", None), (";", ",", "."), ("\t", ".", ","), ("|", ",", "'"), (";", ".", " ")])
CELL = st.text(st.characters(codec="latin-1", exclude_characters="\0", exclude_categories=("Cc",)), max_size=6)
CELLS = st.lists(st.tuples(st.floats(-1e9, 1e9), CELL | st.just('a\n"b')), min_size=20, max_size=30)


def write(number: float, decimal: str, thousands: str | None) -> str:
    grouped = f"{number:,.3f}" if thousands else repr(number)
    return grouped.translate(str.maketrans({",": thousands or "", ".": decimal}))


@given(CELLS, SIGNS, st.sampled_from(["utf-8", "latin-1", "utf-16"]), st.booleans(), st.booleans())
@settings(max_examples=25)
def test_what_is_written_is_read(
    cells: list[tuple[float, str]], signs: tuple[str, str, str | None], encoding: str, header: bool, packed: bool
) -> None:
    separator, decimal, thousands = signs
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([*([("n", "t", "y")] if header else [])])
    writer.writerows((write(number, decimal, thousands), f"t{cell}", row) for row, (number, cell) in enumerate(cells))
    content = out.getvalue().encode(encoding)
    Path("d.csv").write_bytes(gzip.compress(content) if packed else content)
    form = {"separator": separator, "decimal": decimal, "thousands": thousands, "encoding": encoding}
    source = CsvSource("d.csv", "y", header=header, names=("n", "t", "y"), **form)  # type: ignore[arg-type]
    loaded = source.load()
    numbers = [float(f"{number:.3f}") if thousands else number for number, _ in cells]
    texts = [f"t{cell}" for _, cell in cells]
    assert loaded.samples.inputs["n"].tolist() == numbers
    assert loaded.samples.inputs["t"].tolist() == texts
    assert loaded.samples.targets.tolist() == list(range(len(cells)))
    targets = Targets("regression", (1,), "float64", column="y")
    parts = list(Reader(Pipeline(loaded.features, [], targets, "float64"), source).scored("d.csv"))
    assert [value for part in parts for value in part.inputs["n"].tolist()] == numbers
    assert [value for part in parts for value in part.inputs["t"].tolist()] == texts
    assert [value for part in parts for value in part.targets.tolist()] == list(range(len(cells)))


def spellings() -> dict[str, str]:
    """A text file, and the same with other signs for numbers."""
    head, rows = "t,w,m,f,y", ["true,1.0,1.00,0.25,no", "FALSE, 2,2.50,1000.00,yes", "true,-3.,007,x,yes"] * 4
    plain = "\n".join([head, *rows, ""])
    return {"d.csv": plain, "other.csv": plain.replace(",", ";").replace(".", ",").replace("1000", "1 000")}


def test_a_category_is_the_same_whatever_the_table() -> None:
    for name, content in spellings().items():
        Path(name).write_text(content)
    source = CsvSource("d.csv", "y", categorical=("t", "w", "m", "f"))
    model = prepare(source, Split(), [OneHot()], 0, "float32", Path("prepared")).pipeline
    frame = pd.DataFrame(
        {
            "t": np.array([True, False, True] * 4),
            "w": np.array([1, 2, -3] * 4, np.float64),
            "m": [Decimal("1.000"), "2.50", "007"] * 4,
            "f": [np.float32(0.25), 1000, "x"] * 4,
        }
    )
    expected = model.transform(source.load().samples.inputs)
    assert expected.shape == (12, 11)
    assert (expected.sum(axis=1) == 4).all()
    np.testing.assert_array_equal(model.transform(frame), expected)
    arrow = pa.table(
        {
            "t": pa.array(frame["t"]),
            "w": pa.array(frame["w"], pa.float32()),
            "m": pa.array(["1.0", "2.50", "007"] * 4),
            "f": pa.array(["0.25", "1000", "x"] * 4),
        }
    )
    parquet.write_table(arrow, "d.parquet")
    options = ("separator=;", "decimal=,", "thousands= ")
    for path, given_options in (("d.csv", ()), ("d.parquet", ()), ("other.csv", options)):
        parts = [part.inputs for part in Reader(model, source, given_options).rows(path)]
        np.testing.assert_array_equal(model.transform(pd.concat(parts)), expected, err_msg=path)
    assert "4 columns of categories, each with how many: t (2), w (3), m (3), f (3)" in source.load().notes


def test_a_number_is_the_category_of_its_value() -> None:
    cells = ["0.50", "2.5", "007", "1e3", "0.1", "x", "1.1", "1.10"]
    Path("d.csv").write_text("\n".join(["c,y", *(f"{cell},{row % 2}" for row, cell in enumerate(cells * 2)), ""]))
    source = CsvSource("d.csv", "y", categorical=("c",))
    model = prepare(source, Split(), [OneHot()], 0, "float32", Path("prepared")).pipeline
    [known] = (transform.categories["c"] for transform in model.transforms if isinstance(transform, Indicators))

    def found(*values: Any) -> list[str | None]:
        rows = model.transform([{"c": value} for value in values])
        return [known[int(np.argmax(row))] if row.any() else None for row in rows]

    assert found(*cells) == cells
    assert found(0.5, Decimal("2.50"), 7, 1000.0, "0.5", 0.7) == ["0.50", "2.5", "007", "1e3", None, None]
    single = model.transform(pd.DataFrame({"c": np.array([0.1, 0.5], np.float32)}))
    assert [known[place] for place in np.argmax(single, axis=1)] == ["0.1", "0.50"]
    with pytest.raises(DataError, match=r"column 'c' holds the number 1\.1 in row 1 .* '1\.1' and '1\.10': give it as"):
        found("1.1", 1.1)
    parquet.write_table(pa.table({"c": pa.array([Decimal("0.500"), Decimal("1000.000")])}), "d.parquet")
    [part] = Reader(model, source).rows("d.parquet")
    assert [known[place] for place in np.argmax(model.transform(part.inputs), axis=1)] == ["0.50", "1e3"]


FRACTIONS = [0.5, 1.5, 2.25, 3.0]


@pytest.mark.parametrize(
    "values",
    [
        pa.array(FRACTIONS * 9),
        pa.array(FRACTIONS * 9, pa.float32()),
        pa.array(FRACTIONS * 9).cast(pa.decimal128(9, 4)),
        pa.array(FRACTIONS * 9).dictionary_encode(),
    ],
    ids=lambda it: str(it.type)[:12],
)
def test_text_is_the_category_of_its_value_where_training_has_seen_numbers(values: pa.Array) -> None:
    parquet.write_table(pa.table({"c": values, "y": ["a", "b"] * 18}), "d.parquet")
    source = ParquetSource("d.parquet", "y", categorical=("c",))
    model = prepare(source, Split(), [OneHot()], 0, "float32", Path("prepared")).pipeline
    model = Pipeline.from_dict(json.loads(json.dumps(model.to_dict())))
    expected = [*np.eye(4).tolist(), [0.0] * 4]
    Path("new.csv").write_text("c\n0.50\n1.500\n2.25\n3\n2.2\n")
    Path("new.txt").write_text("c\n0,5\n1,50\n2,250\n3,00\nx\n")
    for path, options in (("new.csv", []), ("new.txt", ["decimal=,", "separator=;"])):
        [part] = Reader(model, source, options).rows(path)
        assert model.transform(part.inputs).tolist() == expected, path
