"""Files of any size: raw rows in blocks from one, predictions in blocks to another."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp.config.component import Custom, construct
from dist_bp.data import Reader, Samples, SampleStore
from dist_bp.data.inputs import with_rows
from dist_bp.data.media.given import FILE
from dist_bp.data.media.new import REFUSED, NewFiles
from dist_bp.data.sources.function import WEIGHTS
from dist_bp.data.tables.rows import Rows
from dist_bp.data.text.counts import TokenCounts
from dist_bp.data.text.given import NAME, given_texts
from dist_bp.data.text.long import counts_of
from dist_bp.data.unseen import Unseen
from dist_bp.errors import DataError, UserError
from dist_bp.serve.saved_model import SavedModel
from dist_bp.types import Array

if TYPE_CHECKING:
    import pandas as pd

Write = Callable[["pd.DataFrame"], None]
Note = Callable[[str], object]


def silently(line: str) -> None:
    """For who is told nothing beside the figures."""


def reader_of(saved: SavedModel, csv: Sequence[str] = (), new: NewFiles = REFUSED, labelled: bool = False) -> Reader:
    """Reads files as the model's own data was read, but for the options of `csv`; raises UserError for a wrong one."""
    source = saved.config.data.source
    return Reader(saved.pipeline, None if isinstance(source, Custom) else construct(source), csv, new, labelled)


def evaluate_file(
    saved: SavedModel,
    path: str,
    labels: str | None = None,
    csv: Sequence[str] = (),
    note: Note = silently,
    new: NewFiles = REFUSED,
) -> tuple[int, dict[str, float]]:
    """The number of samples, and loss and metrics; `labels` is the file of the targets where `path` has none.

    `note` hears a line on weights or a loss that are not there, and one on categories that training has not seen.
    Raises DataError for a file that does not have the form of the training data.
    """
    count, weighted = 0, False
    current: list[Rows] = []
    reader, unseen = reader_of(saved, csv, new), Unseen()
    if saved.measured is None:
        note(
            "the loss is left out: its class_weights are balanced by the training split, and the model, of an earlier "
            "version, does not say how often each class occurs there: train it again to have it"
        )
    if saved.pipeline.context is not None:
        return _evaluate_text(saved, reader, path, note)

    def parts() -> Iterator[Samples]:
        nonlocal count, weighted
        for rows in reader.scored(path, labels):
            weighted = rows.weights is not None
            current[:] = [rows]
            yield Samples(rows.inputs, rows.targets, rows.weights)
            current.clear()  # the reader itself tells rows of the file
            count += len(rows)

    with rows_of_file(current):
        scores = saved.evaluate_blocks(parts(), unseen=unseen)
    if not count:
        raise DataError(f"data file {path!r} has no rows")
    if (reader.weights is not None or saved.pipeline.targets.weighted) and not weighted:
        source = saved.config.data.source
        origin = f"{reader.weights!r} (data.source.weights)"
        if isinstance(source, Custom):
            origin = f"{source.type} (in a file they are called {WEIGHTS!r})"
        note(f"{path!r} has no weights, which training took from {origin}: all samples count alike")
    for line in unseen.lines():
        note(line)
    return count, scores


def _evaluate_text(saved: SavedModel, reader: Reader, path: str, note: Note) -> tuple[int, dict[str, float]]:
    count, tokens, tokenizer = 0, TokenCounts(), saved.pipeline.tokenizer
    assert tokenizer

    def parts() -> Iterator[SampleStore]:
        nonlocal count
        for samples in reader.stretches(path, saved.model.at_a_time.rows):
            count += len(samples)
            tokens.__iadd__(counts_of(samples, tokenizer))
            yield samples

    scores = saved.evaluate_prepared(parts(), saved.measured)
    if not count:
        raise DataError(f"data file {path!r} holds less than two tokens")
    if tokens.parts:
        note(f"{path!r}: {'; '.join(tokens.parts)}")
    return count, scores


def predict_files(
    saved: SavedModel,
    paths: Sequence[str],
    write: Write,
    csv: Sequence[str] = (),
    note: Note = silently,
    new: NewFiles = REFUSED,
    labelled: bool = False,
) -> tuple[int, str | None]:
    """The number of rows predicted, and the name of the column that names them, where a file has none of it.

    `labelled`: lines of text begin with labels, which are left out. `note` hears a line on categories that training has
    not seen, and on what looks like such labels. Raises DataError for a file that does not have the form of the
    training data.
    """
    reader = reader_of(saved, csv, new, labelled)
    count, absent = _predict(saved, reader.rows(*paths), reader.id_column, write, note)
    for line in reader.notes:
        note(line)
    if not count:
        raise DataError(f"data file {paths[0]!r} has no rows")
    return count, absent


def predict_texts(saved: SavedModel, texts: Sequence[str], write: Write, note: Note = silently) -> int:
    """As `predict_files`, of texts themselves."""
    return _predict(saved, given_texts(saved.pipeline, texts), NAME, write, note)[0]


def _predict(
    saved: SavedModel, blocks: Iterator[Rows], id_column: str | None, write: Write, note: Note
) -> tuple[int, str | None]:
    count, absent = 0, None
    unseen = Unseen()
    for rows in blocks:
        names = {} if rows.files is None else {FILE: rows.files.array}
        names |= {} if rows.ids is None else {rows.ids.name: rows.ids.array}
        if not names:
            absent = None if saved.pipeline.decoder or id_column == NAME else id_column
        with rows_of_file([rows]):
            done = 0
            for predictions in saved.predict_in_parts(rows.inputs, unseen=unseen):
                if own := next((name for name in names if name in predictions), None):
                    raise DataError(f"data.source.id_column: predictions have a column {own!r} of their own")
                samples = np.arange(done, done + len(predictions))
                if saved.by_position:
                    samples = predictions["sample"].to_numpy()
                    predictions["sample"] += count
                done += len(predictions)
                for place, (name, one) in enumerate(names.items()):
                    predictions.insert(place, name, one[samples])
                write(predictions)
        count += len(rows)
    for line in unseen.lines():
        note(line)
    return count, absent


@contextmanager
def rows_of_file(current: Sequence[Rows]) -> Iterator[None]:
    """Lets a DataError tell rows as those of the file, not as those of the block at work, if there is one."""
    try:
        yield
    except DataError as error:
        row_of = current[0].row_of if current else int
        raise DataError([with_rows(problem, row_of) for problem in error.problems]) from error


@contextmanager
def prediction_file(path: Path, overwrite: bool, classes: Any = None, id_column: str | None = None) -> Iterator[Write]:
    """A function that appends predictions to the new file `path`: csv, parquet, or npy with the predictions alone.

    The file appears complete or not at all. `classes` are those that the predictions are of, if any, and `id_column`
    is what names the rows. Raises UserError where the file exists, cannot be written or has another suffix.
    """
    if path.suffix not in WRITERS:
        raise UserError(f"output {path}: the format is told by the suffix, one of {', '.join(WRITERS)}")
    if path.exists() and not overwrite:
        raise UserError(f"output {path} exists already: name another file, or add --force to replace it")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with WRITERS[path.suffix](aside, classes, id_column) as write:
            yield write
        aside.replace(path)
    except OSError as error:
        raise UserError(f"output {path} cannot be written: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def printed_predictions() -> Iterator[Write]:
    """A function that prints predictions as csv."""
    first = True

    def write(frame: "pd.DataFrame") -> None:
        nonlocal first
        print(frame.to_csv(index=False, header=first), end="")
        first = False

    yield write


@contextmanager
def _write_csv(path: Path, classes: Any, id_column: str | None) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield lambda frame: frame.to_csv(file, index=False, header=file.tell() == 0)


@contextmanager
def _write_parquet(path: Path, classes: Any, id_column: str | None) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    writer = None

    def write(frame: "pd.DataFrame") -> None:
        nonlocal writer
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        writer = writer or parquet.ParquetWriter(path, table.schema)
        pairs = zip(table.schema, writer.schema, strict=True)
        if other := [repr(one.name) for one, was in pairs if one.type != was.type]:
            shown = ", ".join(other)
            raise DataError(
                f"the files do not hold the same kind of values in {shown}: predict them one after the other"
            )
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer:
            writer.close()


@contextmanager
def _write_npy(path: Path, classes: Any, id_column: str | None) -> Iterator[Write]:
    """NumPy leaves room in the header for the number of rows to grow, so it is written again at the end."""
    header: dict[str, Any] = {}
    with path.open("wb") as file:

        def write(frame: "pd.DataFrame") -> None:
            names = [name for name in frame.columns if str(name).startswith("prediction") and name != id_column]
            dtype = None if classes is None else np.array(classes).dtype
            values: Array = np.ascontiguousarray(frame[names].to_numpy(dtype))
            values = values[:, 0] if len(names) == 1 else values
            first = not header
            rows = len(values) if first else header["shape"][0] + len(values)
            descr = np.lib.format.dtype_to_descr(values.dtype)
            header.update(descr=descr, fortran_order=False, shape=(rows, *values.shape[1:]))
            if first:
                np.lib.format.write_array_header_1_0(file, header)
            file.write(values.tobytes())

        yield write
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, header)


WRITERS = {".csv": _write_csv, ".parquet": _write_parquet, ".npy": _write_npy}
