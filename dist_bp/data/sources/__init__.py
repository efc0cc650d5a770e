"""Sources of raw data, one family a file; paths are relative to the working directory."""

from dist_bp.data.sources.arrays import NpySource, NpzSource
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source
from dist_bp.data.sources.bundled import SklearnSource
from dist_bp.data.sources.function import FunctionSource
from dist_bp.data.sources.idx import IdxSource
from dist_bp.data.sources.tables import CsvSource, ParquetSource

__all__ = [
    "CsvSource",
    "Dataset",
    "FunctionSource",
    "IdxSource",
    "NpySource",
    "NpzSource",
    "Opened",
    "ParquetSource",
    "Samples",
    "SklearnSource",
    "Source",
]
