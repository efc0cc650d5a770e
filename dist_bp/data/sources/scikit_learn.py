"""The small data sets that come with scikit-learn."""

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Annotated, Literal

import numpy as np

from dist_bp.data.files import DigestCache, digest_of_arrays
from dist_bp.data.inputs import Features
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source, dataset_of_arrays
from dist_bp.options import Doc


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
        from sklearn import datasets

        options = {"scaled": False} if self.name == "diabetes" else {}
        bunch = getattr(datasets, f"load_{self.name}")(**options)
        names = tuple(map(str, bunch.feature_names))
        classes = None if self.name == "diabetes" else tuple(np.asarray(bunch.target_names).tolist())
        dataset = dataset_of_arrays(Samples(bunch.data, bunch.target), None, self.name)
        return replace(dataset, features=Features((len(names),), names), classes=classes)
