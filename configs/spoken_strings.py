"""Joins recordings of digits to strings of 2 to 6 digits: spoken_strings/train.csv and test.csv, and their sounds.

    python configs/spoken_strings.py RECORDINGS [FOLDER]

RECORDINGS is the folder of the Free Spoken Digit Dataset. A string is said by one speaker, with pauses of
up to 0.1 s between them; those for the test are made of the recordings 0 to 4 alone, which the others are not. It takes
about ten seconds.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import soundfile

STRINGS = {"train": 2400, "test": 300}
PAUSE = 800
"""Samples at most."""


def recordings(folder: Path) -> dict[str, dict[str, dict[str, list[Path]]]]:
    """Files by split, speaker and digit."""
    found: dict[str, dict[str, dict[str, list[Path]]]] = {"train": {}, "test": {}}
    for path in sorted(folder.glob("*_*_*.wav")):
        digit, speaker, index = path.stem.split("_")
        split = "test" if int(index) < 5 else "train"
        found[split].setdefault(speaker, {}).setdefault(digit, []).append(path)
    return found


def string(said: dict[str, list[Path]], draw: np.random.Generator) -> tuple[str, np.ndarray, int]:
    """The digits of a string with blanks between them, its samples and their rate."""
    digits = draw.choice(sorted(said), draw.integers(2, 7))
    parts, rate = [], 0
    for digit in digits:
        samples, rate = soundfile.read(said[digit][draw.integers(len(said[digit]))], dtype="int16")
        parts += [samples, np.zeros(draw.integers(PAUSE), np.int16)]
    return " ".join(digits), np.concatenate(parts[:-1]), rate


def main(source: Path, folder: Path) -> None:
    draw = np.random.default_rng(7)
    for split, speakers in recordings(source).items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["sound", "speaker", "digits"])
            for number in range(STRINGS[split]):
                speaker = str(draw.choice(sorted(speakers)))
                digits, samples, rate = string(speakers[speaker], draw)
                soundfile.write(folder / split / f"{number:04}.flac", samples, rate)
                table.writerow([f"{split}/{number:04}.flac", speaker, digits])
    print(f"{sum(STRINGS.values()):,} strings written to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "spoken_strings"))
