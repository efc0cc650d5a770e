"""Sounds to try with."""

from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from dist_bp.types import Array


def tone(hertz: float, seconds: float = 0.5, rate: int = 8000, loud: float = 0.5) -> Array:
    """Samples (n,) of a sine."""
    return loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write(path: str | Path, samples: Array, rate: int = 8000, subtype: str | None = None) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), samples, rate, subtype=subtype)


def content(samples: Array, rate: int = 8000, format: str = "WAV", subtype: str | None = None) -> bytes:
    """The bytes of a file."""
    file = BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    return file.getvalue()
