"""NumPy's .npz files."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.data.files import DigestCache
from dist_bp.data.sources.arrays import read_npz
from dist_bp.data.sources.base import Dataset, Opened, Source, dataset_of_arrays, open_files
from dist_bp.options import Doc, File, Text


@dataclass(frozen=True)
class NpzSource(Source):
    """Two arrays of one NumPy .npz file."""

    path: Annotated[File, Doc("The .npz file.")]
    inputs: Annotated[Text, Doc("Name of the array of inputs, one row a sample.")] = "x"
    targets: Annotated[Text, Doc("Name of the array of targets.")] = "y"
    test_path: Annotated[File | None, Doc("A file of the same form with the test set.")] = None

    def open(self, cache: DigestCache) -> Opened:
        names = {"inputs": self.inputs, "targets": self.targets}
        return open_files("npz", (self.path, self.test_path), names, cache, self.load)

    def load(self) -> Dataset:
        pairs = [read_npz(path, self.inputs, self.targets) for path in (self.path, self.test_path) if path is not None]
        return dataset_of_arrays(pairs[0], pairs[1] if len(pairs) > 1 else None, repr(self.path))
