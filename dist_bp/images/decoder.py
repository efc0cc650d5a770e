"""From images of any size and kind to arrays of one shape: the same in training, evaluation and serving."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dist_bp.errors import DataError
from dist_bp.images.opening import Item, name_of, open_image, too_little_memory
from dist_bp.images.operations import OPERATIONS, Operation
from dist_bp.media import decoder as media
from dist_bp.types import Array, Shape

CHANNELS = {1: "grey", 3: "in colour"}


@dataclass(frozen=True)
class Decoder(media.Decoder):
    """Opens an image, see `open_image`, and applies the operations in their order."""

    many = "images"
    one_shape = True
    operations: tuple[Operation, ...] = ()

    def open(self, item: Item, name: str = "") -> Array:
        """See `pixels`."""
        return self.pixels(item, name)

    def name_of(self, item: Item) -> str:
        return name_of(item)

    def pixels(self, item: Item, name: str = "") -> Array:
        """An image as uint8 (height, width, 1 or 3); raises DataError."""
        image = open_image(item, name)
        try:
            for operation in self.operations:
                image = operation(image)
            array = np.asarray(image)
        except MemoryError as error:
            raise too_little_memory(name or name_of(item)) from error
        except DataError as error:
            raise DataError(f"{name or name_of(item)} {error}") from error
        return array if array.ndim == 3 else array[:, :, np.newaxis]

    def to_json(self) -> list[dict[str, Any]]:
        """The operations in JSON types."""
        return [{"kind": one.kind, **asdict(one)} for one in self.operations]

    @classmethod
    def from_json(cls, state: Sequence[dict[str, Any]]) -> "Decoder":
        """Undoes `to_json`; what comes from elsewhere is to be checked before."""
        made = []
        for one in state:
            options = dict(one)
            made.append(OPERATIONS[options.pop("kind")](**options))
        return cls(tuple(made))


def described(shape: Shape) -> str:
    """The shape of an image, for messages: 28 x 28 and grey."""
    height, width, channels = shape
    return f"{height} x {width} and {CHANNELS[channels]}"
