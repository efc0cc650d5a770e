"""NumPy's .npy files."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.data.files import DigestCache
from dist_bp.data.sources.arrays import read_npy
from dist_bp.data.sources.base import (
    Dataset,
    Opened,
    Samples,
    Source,
    check_pair,
    dataset_of_arrays,
    open_files,
)
from dist_bp.data.sources.sound_arrays import IfUnsound, RateOfRows, check_rate, dataset_of_signals
from dist_bp.options import Doc, File


@dataclass(frozen=True)
class NpySource(Source):
    """Two NumPy .npy files, one row a sample, and two more if there is a test set of its own."""

    inputs: Annotated[File, Doc("File of the inputs, one row a sample.")]
    targets: Annotated[File, Doc("File of the targets.")]
    test_inputs: Annotated[File | None, Doc("File of the test set's inputs.")] = None
    test_targets: Annotated[File | None, Doc("File of the test set's targets, given together with test_inputs.")] = None
    rate: RateOfRows = None
    unreadable: IfUnsound = "error"

    def __post_init__(self) -> None:
        check_pair("test_targets", self.test_targets, "test_inputs", self.test_inputs)
        check_rate(self.rate, self.unreadable)

    def open(self, cache: DigestCache) -> Opened:
        paths = (self.inputs, self.targets, self.test_inputs, self.test_targets)
        options = {} if self.rate is None else {"rate": self.rate, "unreadable": self.unreadable}
        return open_files("npy", paths, options, cache, self.load)

    def load(self) -> Dataset:
        test = None
        if self.test_inputs is not None and self.test_targets is not None:
            test = Samples(read_npy(self.test_inputs), read_npy(self.test_targets))
        if self.rate is not None:
            main = Samples(read_npy(self.inputs), read_npy(self.targets))
            return dataset_of_signals(main, test, self.rate, self.inputs, self.test_inputs, self.unreadable)
        return dataset_of_arrays(Samples(read_npy(self.inputs), read_npy(self.targets)), test, repr(self.inputs))
