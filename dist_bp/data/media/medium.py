"""What images and sounds have of their own as data."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from dist_bp.data.class_folders import FileKind
from dist_bp.data.inputs import Features
from dist_bp.data.samples import RaggedArray
from dist_bp.plugins import import_object
from dist_bp.types import Array, Shape

if TYPE_CHECKING:
    from dist_bp.data.media.findings import Findings
    from dist_bp.media.decoder import Decoder

ROWS = {"images": "dist_bp.data.images.medium:Images", "sounds": "dist_bp.data.sounds.medium:Sounds"}
"""By what the files hold."""


class Medium(ABC):
    """One kind of files, and how arrays are made of them; `forms` is what people may hand over, and `libraries` what is
    needed to read them."""

    kind: ClassVar[FileKind]
    forms: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]]
    ragged: ClassVar[bool]
    """Whether samples have a first axis of different lengths."""

    @abstractmethod
    def decoder(self, operations: Sequence[Any]) -> "Decoder":
        """Does these to each file."""

    def problems(self, operations: Sequence[Any]) -> list[str]:
        """What is wrong with their order."""
        return []

    @abstractmethod
    def findings(self, skips: bool, option: str, decoder: "Decoder") -> "Findings":
        """Of files that are decoded by `decoder`."""

    @abstractmethod
    def after_training(self, decoder: "Decoder", findings: "Findings") -> "Decoder":
        """What decodes other files as these were."""

    @abstractmethod
    def features(self, arrays: Array | RaggedArray) -> Features:
        """What a sample is."""

    @abstractmethod
    def joined(self, arrays: Sequence[Array], features: Features) -> Array | RaggedArray:
        """Samples together."""

    @abstractmethod
    def misfit(self, shape: Shape, features: Features) -> str | None:
        """How the shape of an array differs from those of training, and what to do; None where it does not."""

    @abstractmethod
    def alone(self, raw: Any, features: Features) -> bool:
        """Whether this is one sample, and not several."""

    @abstractmethod
    def of_arrays(self, inputs: Any) -> Iterable[Any]:
        """What a source gave in arrays, a sample at a time; raises DataError where it did not."""

    @abstractmethod
    def example(self, item: Any, decoder: "Decoder") -> bytes:
        """A small file that holds an item; raises Unreadable."""


@cache
def medium_of(many: str) -> Medium:
    """By what files hold: images or sounds."""
    made: Medium = import_object(ROWS[many])()
    return made
