"""What is decoded at a time is bounded by what becomes of the files, not by their number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from dist_bp.errors import DataError
from dist_bp.media import crew
from dist_bp.media.crew import decode_some, some_of
from dist_bp.media.decoder import Decoder, Item
from dist_bp.types import Array


class Zeros(Decoder):
    """As many bytes as an item says."""

    many = "images"

    def open(self, item: Item, name: str = "") -> Array:
        if not int(item):
            raise DataError("nothing")
        return np.zeros(int(item), np.uint8)

    def name_of(self, item: Item) -> str:
        return str(item)

    def to_json(self) -> Any:
        return {}

    @classmethod
    def from_json(cls, state: Any) -> "Zeros":
        return cls()


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([1] * 9, 9), ([1, 2, 100, 1], 3), ([100, 1], 1), ([4, 5, 1, 1], 3), ([0, 0, 0, 10, 1], 4)],
)
def test_large_ones_are_few_at_a_time_wherever_they_stand(
    sizes: Sequence[int], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "BLOCK_BYTES", 10)
    assert len(decode_some(Zeros(), [*map(str, sizes)])) == expected


def test_files_are_named_by_the_first_and_the_last() -> None:
    assert some_of(["a.png"]) == "the file 'a.png'"
    assert some_of(["a.png", "b.png", "c.png"]) == "one of the files 'a.png' to 'c.png'"
