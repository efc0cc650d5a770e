"""Texts in files, and what becomes of them, for the tests of this folder."""

from pathlib import Path
from typing import Any

import pytest

from dist_bp.data import Prepared, Split, prepare
from dist_bp.data.files import DigestCache
from dist_bp.data.sources.base import Dataset, Source
from dist_bp.errors import DataError

LINES = [
    f"{'spam' if row % 3 == 0 else 'ham'} {'win a prize' if row % 3 == 0 else 'see you'} {row}" for row in range(30)
]

SPLIT = Split(0.2, 0.1)


def written(text: str, name: str = "t.txt", encoding: str = "utf-8") -> str:
    Path(name).write_bytes(text.encode(encoding))
    return name


def load(source: Source) -> Dataset:
    return source.open(DigestCache(Path.cwd())).load()


def make(source: Any, *steps: Any, split: Split = SPLIT) -> Prepared:
    return prepare(source, split, steps, seed=3, dtype="float32", directory="prepared")


def problems(source: Any, *steps: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        make(source, *steps)
    return caught.value.problems


def decoded(prepared: Prepared, split: str, name: str | None = None) -> list[str]:
    """The texts of a split as its tokens tell them."""
    tokens = prepared.pipeline.transforms[-1].tokenizer  # type: ignore[attr-defined]
    stored = prepared.split(split).inputs if name is None else prepared.split(split).inputs[name]
    return [tokens.decode(stored.values[a:b]) for a, b in zip(stored.offsets, stored.offsets[1:], strict=False)]
