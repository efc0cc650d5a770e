"""Small images in the working directory, and what is prepared of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dist_bp.data import Prepared, Split, prepare
from dist_bp.data.sources.image_folder import ImageFolderSource
from dist_bp.errors import DataError

SPLIT = Split(0.25, 0.0)


def picture(brightness: int, height: int = 4, width: int = 6, colour: bool = False) -> np.ndarray:
    """A ramp from top to bottom, so that no two brightnesses look alike."""
    rows = np.clip(brightness + np.arange(height), 0, 255).astype(np.uint8)
    one = np.repeat(rows[:, None], width, axis=1)
    return np.stack([one, one, one], axis=2) if colour else one


def write(path: str, array: np.ndarray) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def animals(folder: str = "pets", each: int = 8, **options: Any) -> None:
    for number in range(each):
        write(f"{folder}/cat/{number}.png", picture(number, **options))
        write(f"{folder}/dog/more/{number}.png", picture(100 + number, **options))


def make(*steps: Any, source: Any = None, split: Split = SPLIT, **options: Any) -> Prepared:
    source = source or ImageFolderSource("pets", **options)
    return prepare(source, split, steps, seed=1, dtype="float32", directory="prepared")


def problems(*steps: Any, **options: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        make(*steps, **options)
    assert list(Path("prepared").glob("*.pixels")) == []
    return caught.value.problems


def samples(prepared: Prepared, split: str) -> dict[str, set[bytes]]:
    """The pixels of each class, as the network sees them."""
    found: dict[str, set[bytes]] = {}
    for batch in prepared.split(split).blocks(0, prepared.splits[split], 100):
        for pixels, label in zip(np.round(batch.inputs).astype(np.uint8), batch.targets, strict=True):
            found.setdefault((prepared.schema.classes or ())[label], set()).add(pixels.tobytes())
    return found


def cache() -> Any:
    from dist_bp.data.files import DigestCache

    return DigestCache(Path("prepared"))
