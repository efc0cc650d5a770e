"""Writes sounds of five vowels: vowels/train and vowels/test, each with a folder for every vowel.

    python configs/vowels.py [FOLDER]

A voice is a train of pulses, and a vowel what three resonances of the mouth make of it (Peterson and Barney 1952, means
of men). Each sound has another pitch, length, loudness, size of the mouth and noise. It takes about three seconds.
"""

import sys
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter

RATE = 8000
FORMANTS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
"""Hz of the resonances."""
BANDWIDTHS = (60, 90, 150)
SOUNDS = {"train": 80, "test": 20}
"""Of each vowel."""


def vowel(name: str, draw: np.random.Generator) -> np.ndarray:
    """Samples of one sound, in [-1, 1]."""
    size, mouth = round(draw.uniform(0.2, 0.6) * RATE), draw.uniform(0.95, 1.15)
    pitch = draw.uniform(90, 220) * np.linspace(1, draw.uniform(0.8, 1.2), size)
    sound = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0)  # 1 where a period begins
    sound = lfilter([1], [1, -0.95], sound)
    for formant, bandwidth in zip(FORMANTS[name], BANDWIDTHS, strict=True):
        radius, angle = np.exp(-np.pi * bandwidth / RATE), 2 * np.pi * formant * mouth / RATE
        sound = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], sound)
    sound = draw.uniform(0.1, 0.8) * sound / np.abs(sound).max()
    return sound + draw.normal(0, 10 ** draw.uniform(-4, -2), size)


def main(folder: Path) -> None:
    draw = np.random.default_rng(7)
    for split, count in SOUNDS.items():
        for name in FORMANTS:
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                soundfile.write(folder / split / name / f"{number:02}.wav", vowel(name, draw).clip(-1, 1), RATE)
    print(f"{sum(SOUNDS.values()) * len(FORMANTS):,} sounds written to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "vowels"))
