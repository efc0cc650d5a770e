"""A lone data file for a trained model: raw inputs and, where there are any, targets."""

from pathlib import Path

from dist_bp.data.inputs import row_at
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.sources.arrays import names_in_npz, read_npy, read_npz
from dist_bp.data.sources.base import Samples
from dist_bp.data.sources.csv import csv_table
from dist_bp.data.sources.idx import read_idx, read_labels
from dist_bp.data.sources.parquet import PARQUET
from dist_bp.data.sources.table import target_values
from dist_bp.errors import DataError
from dist_bp.messages import unknown_name

TABLES = {".csv": None, ".tsv": "\t", ".txt": None, ".parquet": None, ".pq": None}
"""Suffixes of tables, with the separator that one stands for."""


def read_inputs(
    path: str,
    pipeline: Pipeline,
    *,
    labels: str | None = None,
    target: str | None = None,
    separator: str = ",",
    inputs: str = "x",
    targets: str = "y",
) -> Samples:
    """Reads csv, tsv, parquet, npy, npz or idx, told by the suffix of `path`, for `pipeline.transform`.

    Targets are the column `target` of a table (by default the one trained on), the array `targets` of a .npz file
    or the file `labels`; None where they are not there. Raises DataError.
    """
    name = Path(path).name.removesuffix(".gz")
    suffix = Path(name).suffix
    if suffix in TABLES:
        separator = TABLES[suffix] or separator
        return _read_table(path, suffix, pipeline, target or pipeline.targets.column, separator)
    if suffix == ".npy":
        return Samples(read_npy(path), None if labels is None else read_npy(labels))
    if suffix == ".npz":
        wanted = [inputs, targets] if targets in names_in_npz(path) else [inputs]
        arrays = read_npz(path, *wanted)
        return Samples(arrays[0], arrays[1] if len(arrays) > 1 else None)
    if suffix == ".idx" or "idx" in name:
        return Samples(read_idx(path), None if labels is None else read_labels(labels))
    known = ", ".join([*TABLES, ".npy", ".npz", ".idx"])
    raise DataError(f"data file {path!r}: the format is told by the suffix, one of {known}")


def _read_table(path: str, suffix: str, pipeline: Pipeline, target: str | None, separator: str) -> Samples:
    table = PARQUET if suffix in (".parquet", ".pq") else csv_table(separator)
    features, there = pipeline.features, table.names(path)
    names = features.names or tuple(name for name in there if name != target)
    missing = [name for name in names if name not in there]
    if missing:
        raise DataError([f"data file {path!r} has no column {unknown_name(name, there)}" for name in missing])
    if target is None or target not in there:
        return Samples(table.read(path, names, features.categorical)[list(names)], None)
    frame = table.read(path, [*names, target], features.categorical)
    if frame[target].isna().any():
        row = int(frame[target].isna().to_numpy().argmax())
        raise DataError(f"the target column {target!r} of {path!r} is missing in {row_at(row)}")
    return Samples(frame[list(names)], target_values(frame[target]))
