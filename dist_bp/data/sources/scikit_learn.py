"""The small data sets that come with scikit-learn, from its files: its import takes longer than many a training."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from dist_bp.data.files import DigestCache, digest_of_arrays
from dist_bp.data.inputs import Features
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source, dataset_of_arrays
from dist_bp.errors import DataError
from dist_bp.options import Doc

CELLS = (
    *("radius", "texture", "perimeter", "area", "smoothness"),
    *("compactness", "concavity", "concave points", "symmetry", "fractal dimension"),
)
COLUMNS = {
    "digits": tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
    "iris": tuple(f"{part} {size} (cm)" for part in ("sepal", "petal") for size in ("length", "width")),
    "wine": (
        *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
        *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines"),
        "proline",
    ),
    "breast_cancer": (
        *(f"mean {name}" for name in CELLS),
        *(f"{name} error" for name in CELLS),
        *(f"worst {name}" for name in CELLS),
    ),
    "diabetes": ("age", "sex", "bmi", "bp", *(f"s{number}" for number in range(1, 7))),
}
"""Names of a sample's numbers, as scikit-learn gives them; its files have none."""


@dataclass(frozen=True)
class SklearnSource(Source):
    """A data set that comes with scikit-learn.

    Unscaled: flat rows of numbers, with the names of columns and classes.
    """

    name: Annotated[Literal["digits", "iris", "wine", "breast_cancer", "diabetes"], Doc("Which data set.")]

    def open(self, cache: DigestCache) -> Opened:
        key = f"scikit-learn {version('scikit-learn')} {self.name}"
        digest = cache.get(key)
        if digest is None:
            samples = self.load().samples
            digest = digest_of_arrays([samples.inputs, samples.targets])
            cache.remember(key, digest)
        return Opened(digest, self.load)

    def load(self) -> Dataset:
        """Raises DataError where scikit-learn has not got its files."""
        readers: dict[str, Callable[[], tuple[Samples, tuple[int | str, ...] | None]]] = {
            "digits": _digits,
            "iris": lambda: _table("iris.csv"),
            "wine": lambda: _table("wine_data.csv"),
            "breast_cancer": lambda: _table("breast_cancer.csv"),
            "diabetes": _diabetes,
        }
        samples, classes = readers[self.name]()
        names = COLUMNS[self.name]
        dataset = dataset_of_arrays(samples, None, self.name)
        return replace(dataset, features=Features((len(names),), names), classes=classes)


def _digits() -> tuple[Samples, tuple[int, ...]]:
    rows = np.loadtxt(_file("digits.csv.gz"), delimiter=",")
    return Samples(rows[:, :-1], rows[:, -1].astype(int)), tuple(range(10))


def _table(name: str) -> tuple[Samples, tuple[str, ...]]:
    """Its first line has the numbers of rows and columns and the names of the classes."""
    path = _file(name)
    with path.open(encoding="utf-8") as file:
        _, _, *classes = file.readline().rstrip("\n").split(",")
        rows = np.loadtxt(file, delimiter=",")
    return Samples(rows[:, :-1], rows[:, -1].astype(int)), tuple(classes)


def _diabetes() -> tuple[Samples, None]:
    return Samples(np.loadtxt(_file("diabetes_data_raw.csv.gz")), np.loadtxt(_file("diabetes_target.csv.gz"))), None


def _file(name: str) -> Path:
    """Where an installed scikit-learn, which is not imported, has the file of a data set."""
    found = find_spec("sklearn")
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder, "datasets", "data", name)
        if path.is_file():
            return path
    raise DataError([f"the installed scikit-learn has no data set {name}: install it anew"])
