"""Data from a function of the user's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dist_bp.data.files import DigestCache, digest_of, digest_of_arrays
from dist_bp.data.inputs import Features, features_to_json, is_table, row_at
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source, dataset_of_arrays
from dist_bp.data.tables.dates import first_date
from dist_bp.data.tables.kinds import stray
from dist_bp.data.tables.notation import Notation
from dist_bp.errors import DataError
from dist_bp.plugins import import_function, told

WEIGHTS = "weights"
KEYS = ("inputs", "targets", WEIGHTS, "test_inputs", "test_targets", "test_weights", "feature_names", "classes")


@dataclass(frozen=True)
class FunctionSource(Source):
    """`function` is "module:function"; called with `options`, it returns (inputs, targets) or a dict of KEYS.

    Inputs are arrays (n, ...), lists of arrays of different lengths, a dict of such inputs by their names, or
    DataFrames, whose columns of text or truth values are categories.
    """

    function: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def open(self, cache: DigestCache) -> Opened:
        """The digest is that of the arrays, so the function is called each time."""
        result = self._call()
        dataset = self._dataset(result)
        arrays = (dataset.samples, dataset.test) if dataset.test else (dataset.samples,)
        content = digest_of_arrays(part for one in arrays for part in (one.inputs, one.targets, one.weights))
        names = [features_to_json(dataset.features), dataset.classes]
        return Opened(digest_of([content, names]), lambda: dataset, held=True)

    def _call(self) -> dict[str, Any]:
        function = import_function(self.function)
        try:
            result = function(**self.options)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # it may call sys.exit
            raise DataError(f"{self.function} failed: {told(error)}") from error
        if isinstance(result, tuple) and len(result) == 2:
            return {"inputs": result[0], "targets": result[1]}
        if not isinstance(result, dict) or not {"inputs", "targets"} <= set(result) <= set(KEYS):
            got = f"the keys {sorted(result)}" if isinstance(result, dict) else type(result).__name__
            raise DataError(
                f"{self.function} must return (inputs, targets) or a dict with inputs, targets and of "
                f"{', '.join(KEYS[2:])} what it likes; it returned {got}"
            )
        if ("test_inputs" in result) != ("test_targets" in result):
            raise DataError(f"{self.function} must return test_inputs and test_targets together")
        if "test_weights" in result and "test_inputs" not in result:
            raise DataError(f"{self.function} must return test_weights together with test_inputs")
        return result

    def _dataset(self, result: dict[str, Any]) -> Dataset:
        main, test = (
            Samples(result[f"{kind}inputs"], result[f"{kind}targets"], result.get(f"{kind}weights"))
            if f"{kind}inputs" in result
            else None
            for kind in ("", "test_")
        )
        assert main
        named = result.get("classes")
        classes = None if named is None else tuple(it.item() if isinstance(it, np.generic) else it for it in named)
        inputs = result["inputs"]
        if is_table(inputs):
            return Dataset(main, _table_features(inputs, self.function), test, classes)
        dataset = dataset_of_arrays(main, test, self.function)
        names = result.get("feature_names")
        if names is not None:
            shape = getattr(dataset.features, "shape", None)
            if shape != (len(names),):
                found = f"samples of shape {shape}" if shape else "several inputs"
                raise DataError(f"{self.function} names {len(names)} features for {found}")
            dataset = replace(dataset, features=Features(shape, tuple(map(str, names))))
        return replace(dataset, classes=classes)


def _table_features(frame: Any, what: str) -> Features:
    """Raises DataError for columns of objects that are not all text or truth values, and of numbers but for some."""
    from pandas.api.types import infer_dtype

    names = tuple(str(name) for name in frame.columns)
    found = [infer_dtype(frame.iloc[:, place], skipna=True) for place in range(len(names))]
    problems = [
        f"column {name!r} of {what} holds Python objects ({kind}): make one of numbers or of text of it"
        for name, kind, dtype in zip(names, found, frame.dtypes, strict=True)
        if getattr(dtype, "kind", "O") == "O" and kind not in ("string", "boolean", "categorical", "empty")
    ]
    problems += [
        f"column {name!r} of {what} {problem}, or give it the type category"
        for place, (name, kind) in enumerate(zip(names, found, strict=True))
        if kind == "string" and (problem := _problem(frame.iloc[:, place]))
    ]
    if problems:
        raise DataError(problems)
    kinds = (getattr(dtype, "kind", "O") for dtype in frame.dtypes)
    categorical = tuple(name for name, kind in zip(names, kinds, strict=True) if kind in "OUTb")
    by_value = tuple(
        name
        for name, dtype in zip(names, frame.dtypes, strict=True)
        if hasattr(dtype, "categories") and dtype.categories.dtype.kind in "iuf"
    )
    return Features((len(names),), names, categorical, by_value)


def _problem(texts: Any) -> str | None:
    """What is wrong with a column of text most of which are dates, or numbers."""
    import pyarrow as pa

    notation = Notation()
    cells = notation.present(pa.array(texts, pa.string(), from_pandas=True))
    if (row := first_date(cells)) is not None:
        return f"holds dates or times, first {texts.iloc[row]!r} in {row_at(row)}: make numbers of them"
    if (row := stray(cells, notation)) is not None:
        return f"holds numbers, but {texts.iloc[row]!r} in {row_at(row)}: make numbers of it (pandas.to_numeric)"
    return None
