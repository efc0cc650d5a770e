"""From images of any size and kind to arrays of one shape: the same in training, evaluation and serving."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dist_bp.errors import DataError
from dist_bp.images.opening import Item, name_of, open_image, too_little_memory
from dist_bp.images.operations import OPERATIONS, Operation
from dist_bp.types import Array, Shape

SHOWN = 10
"""Images that are named of those that are alike."""
CHANNELS = {1: "grey", 3: "in colour"}


@dataclass(frozen=True)
class Decoder:
    """Opens an image, see `open_image`, and applies the operations in their order."""

    operations: tuple[Operation, ...] = ()

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

    def decode(self, items: Sequence[Item], shape: Shape) -> Array:
        """Images as uint8 (n, *shape); raises DataError for all that have another shape, or cannot be read."""
        decoded, problems = np.empty((len(items), *shape), np.uint8), []
        for row, item in enumerate(items):
            name = name_of(item)
            name = f"image {row} (counted from 0)" if name == "an image" else name
            try:
                one = alike(self.pixels(item, name), shape, name)
            except DataError as error:
                one = error
            if isinstance(one, DataError):
                problems.append(str(one))
            else:
                decoded[row] = one
        if problems:
            raise DataError(first_of(problems))
        return decoded

    def to_list(self) -> list[dict[str, Any]]:
        """The operations in JSON types."""
        return [{"kind": one.kind, **asdict(one)} for one in self.operations]

    @classmethod
    def from_list(cls, state: Sequence[dict[str, Any]]) -> "Decoder":
        """Undoes `to_list`; what comes from elsewhere is to be checked before."""
        made = []
        for one in state:
            options = dict(one)
            made.append(OPERATIONS[options.pop("kind")](**options))
        return cls(tuple(made))


def alike(pixels: Array | DataError, shape: Shape, name: str) -> Array | DataError:
    """The pixels of an image, or what is wrong with it: also another shape."""
    if isinstance(pixels, DataError) or pixels.shape == shape:
        return pixels
    return DataError(
        f"{name} is {described(pixels.shape)}, not {described(shape)} as in training: bring it to that, or train with "
        "steps that do (resize, grayscale, rgb)"
    )


def first_of(problems: Sequence[str]) -> list[str]:
    """The first lines of many, and how many more there are."""
    more = len(problems) - SHOWN
    return [*problems[:SHOWN], *([f"{more:,} more images are like these"] if more > 0 else [])]


def described(shape: Shape) -> str:
    """The shape of an image, for messages: 28 x 28 and grey."""
    height, width, channels = shape
    return f"{height} x {width} and {CHANNELS[channels]}"
