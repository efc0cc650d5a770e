"""Writes scikit-learn's digits as PNG files: digits_png/train and digits_png/test, each with a folder for every class.

    python configs/digits_as_png.py [FOLDER]

Every fifth image goes to the test set. It takes about a second.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def main(folder: Path) -> None:
    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    for number, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
        path = folder / ("test" if number % 5 == 0 else "train") / str(label) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    print(f"{len(pixels):,} images written to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "digits_png"))
