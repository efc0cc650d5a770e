"""NumPy's .npz files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from dist_bp.data.arrays import ragged_of
from dist_bp.data.files import DigestCache
from dist_bp.data.sources.arrays import names_in_npz, read_npz
from dist_bp.data.sources.base import (
    Dataset,
    Opened,
    Samples,
    Source,
    dataset_of_arrays,
    open_files,
)
from dist_bp.data.sources.sound_arrays import IfUnsound, RateOfRows, check_rate, dataset_of_signals
from dist_bp.errors import OptionError
from dist_bp.options import Doc, File, Text

LENGTHS = "_lengths"
"""Behind the name of an array whose samples differ in length: the name of the array of their lengths."""


@dataclass(frozen=True)
class NpzSource(Source):
    """Arrays of one NumPy .npz file.

    Samples of different lengths lie one behind the other in an array NAME, and NAME_lengths has the length of each.
    """

    path: Annotated[File, Doc("The .npz file.")]
    inputs: Annotated[
        Text | Mapping[str, Text],
        Doc("Name of the array of inputs, one row a sample; of several those in the network, each with its array."),
    ] = "x"
    targets: Annotated[Text, Doc("Name of the array of targets.")] = "y"
    weights: Annotated[Text | None, Doc("Name of the array of the samples' weights; null: all count alike.")] = None
    test_path: Annotated[File | None, Doc("A file of the same form with the test set.")] = None
    rate: RateOfRows = None
    unreadable: IfUnsound = "error"

    def __post_init__(self) -> None:
        if not self.inputs or (isinstance(self.inputs, Mapping) and "" in self.inputs):
            raise OptionError("inputs", "must name each input")
        check_rate(self.rate, self.unreadable)
        if self.rate is not None and not isinstance(self.inputs, str):
            raise OptionError("rate", "is for one array of sounds: name it in inputs")

    def open(self, cache: DigestCache) -> Opened:
        inputs = self.inputs if isinstance(self.inputs, str) else [*self.inputs.items()]
        names: dict[str, Any] = {"inputs": inputs, "targets": self.targets, "weights": self.weights}
        names |= {} if self.rate is None else {"rate": self.rate, "unreadable": self.unreadable}
        return open_files("npz", (self.path, self.test_path), names, cache, self.load)

    def load(self) -> Dataset:
        test = None if self.test_path is None else self.read(self.test_path)
        if self.rate is not None:
            return dataset_of_signals(self.read(self.path), test, self.rate, self.path, self.test_path, self.unreadable)
        return dataset_of_arrays(self.read(self.path), test, repr(self.path))

    def read(self, path: str, whole: bool = True) -> Samples:
        """The samples of a file; where it need not be `whole`, targets and weights may be missing. Raises DataError."""
        there = names_in_npz(path)
        inputs = {"": self.inputs} if isinstance(self.inputs, str) else dict(self.inputs)
        others = [name for name in (self.targets, self.weights) if name and (whole or name in there)]
        wanted = list(dict.fromkeys([*inputs.values(), *others]))
        wanted += [name + LENGTHS for name in wanted if name + LENGTHS in there]
        arrays = dict(zip(wanted, read_npz(path, *wanted), strict=True))

        def found(name: str | None) -> Any:
            if name not in arrays:
                return None
            lengths = arrays.get(name + LENGTHS)
            what = f"the array {name!r} of {path!r}"
            return arrays[name] if lengths is None else ragged_of(arrays[name], lengths, what)

        named = {name: found(array) for name, array in inputs.items()}
        return Samples(named.get("", named), found(self.targets), found(self.weights))
