"""What a file holds, as its suffix says."""

from dist_bp.data.tables.csv import suffix_of

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "json_lines",
    ".ndjson": "json_lines",
    ".npy": "npy",
    ".npz": "npz",
    ".idx": "idx",
}
ARRAYS, TABLES = ("npy", "npz", "idx"), ("csv", "parquet", "json_lines")
"""Formats that hold arrays, and those of tables."""


def format_of(path: str) -> str | None:
    """Of a file, or of what is within where it is packed; None where the suffix tells none."""
    return SUFFIXES.get(suffix_of(path))
