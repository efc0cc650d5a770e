"""A process of its own draws the figures that this one would draw."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psutil
import pytest

from dist_bp.errors import TrackingError
from dist_bp.track.drawing import LIBRARY, Drawing, Picture, draw

PICTURES = {
    "loss.png": Picture("loss_curves", {"train": [2.0, math.nan, 0.5], "validation": [], "best_epoch": 1}),
    "matrix.png": Picture("confusion_matrix", {"counts": [[3, 1], [0, 4]], "classes": ["ä", "b"]}),
}
NONSENSE = {"matrix.png": Picture("confusion_matrix", {"counts": "nonsense", "classes": ["a"]})}


@contextmanager
def drawing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drawing]:
    """One that has to start a process."""
    found = Drawing()
    try:
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, LIBRARY, raising=False)
            found.start()
            yield found
    finally:
        found.close()


def drawer() -> psutil.Process | None:
    """The process of this one that draws."""
    found = [one for one in psutil.Process().children() if "dist_bp.track.drawing" in one.cmdline()]
    return found[0] if found else None


def test_the_process_draws_what_this_one_draws_round_after_round(monkeypatch: pytest.MonkeyPatch) -> None:
    with drawing(monkeypatch) as apart:
        process = drawer()
        assert process
        first = apart.begin({"loss.png": PICTURES["loss.png"]})
        wrong, again = apart.begin(NONSENSE), apart.begin(PICTURES)
        images = {name: again.image(name) for name in PICTURES}
        assert first.image("loss.png") == images["loss.png"]
        with pytest.raises(TrackingError, match=r"drawing failed: .*Error"):
            wrong.image("matrix.png")
        assert drawer() == process
        process.kill()
        process.wait(10)
        assert apart.begin(PICTURES).image("loss.png") == images["loss.png"]  # by another one
    assert images == draw(PICTURES)
    here = Drawing()
    here.start()
    assert drawer() is None  # this process has the library now
    drawn = here.begin(PICTURES)
    assert images == {name: drawn.image(name) for name in PICTURES}
    for image in images.values():
        assert image.startswith(b"\x89PNG")
        assert len(np.unique(np.frombuffer(image, np.uint8))) == 256


def test_a_picture_has_the_bytes_that_matplotlib_saves() -> None:
    from io import BytesIO

    from dist_bp.track import figures

    saved = BytesIO()
    figures.confusion_matrix([[3, 1], [0, 4]], ["ä", "b"]).savefig(saved, format="png")
    assert draw(PICTURES)["matrix.png"] == saved.getvalue()


def test_a_process_that_hangs_or_has_nothing_to_draw_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    with drawing(monkeypatch) as stopped:
        process = drawer()
        assert process
        process.suspend()
        monkeypatch.setattr("dist_bp.track.drawing.SECONDS", 0.5)
        with pytest.raises(TrackingError, match=r"drawing failed: its process ended|not drawn within 0.5 s"):
            stopped.begin(PICTURES).image("loss.png")
    assert not process.is_running()
    assert time.monotonic() - begun < 10
