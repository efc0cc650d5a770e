"""A process of its own draws the figures that this one would draw."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from dist_bp.errors import TrackingError
from dist_bp.track.drawing import LIBRARY, Drawing, Picture, draw

PICTURES = {
    "loss.png": Picture("loss_curves", {"train": [2.0, math.nan, 0.5], "validation": [], "best_epoch": 1}),
    "matrix.png": Picture("confusion_matrix", {"counts": [[3, 1], [0, 4]], "classes": ["ä", "b"]}),
}


@contextmanager
def drawing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drawing]:
    """One that has to start a process."""
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, LIBRARY, raising=False)
        found = Drawing()
    try:
        yield found
    finally:
        found.close()


def test_the_process_draws_what_this_one_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    with drawing(monkeypatch) as apart:
        assert apart._process
        apart.begin(PICTURES)
        images = {name: apart.image(name) for name in PICTURES}
    assert apart._process.returncode == 0
    assert images == draw(PICTURES)
    here = Drawing()
    assert here._process is None  # this process has the library now
    here.begin(PICTURES)
    assert images == {name: here.image(name) for name in PICTURES}
    for image in images.values():
        assert image.startswith(b"\x89PNG")
        assert len(np.unique(np.frombuffer(image, np.uint8))) == 256


def test_what_goes_wrong_is_told_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with drawing(monkeypatch) as apart:
        apart.begin({"matrix.png": Picture("confusion_matrix", {"counts": "nonsense", "classes": ["a"]})})
        with pytest.raises(TrackingError, match=r"drawing failed: .*Error"):
            apart.image("matrix.png")
    begun = time.monotonic()
    with drawing(monkeypatch) as unused:
        assert unused._process
    assert unused._process.returncode == -9
    assert time.monotonic() - begun < 5
