"""Images as data."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp.data.inputs import Features
from dist_bp.data.media.files import IMAGES
from dist_bp.data.media.medium import Medium
from dist_bp.data.samples import RaggedArray
from dist_bp.errors import DataError
from dist_bp.images.decoder import Decoder, described
from dist_bp.types import Array, Shape

if TYPE_CHECKING:
    from PIL.Image import Image

    from dist_bp.data.images.findings import ImageFindings

LARGEST_SIDE = 1024
"""Of examples, in pixels."""


class Images(Medium):
    """Samples are uint8 (height, width, channels)."""

    kind = IMAGES
    forms = "paths, bytes of files, arrays of uint8 or images of Pillow"
    libraries = ("pillow",)
    ragged = False

    def decoder(self, operations: Sequence[Any]) -> Decoder:
        return Decoder(tuple(operations))

    def findings(self, skips: bool, option: str, decoder: Any) -> "ImageFindings":
        from dist_bp.data.images.findings import ImageFindings

        return ImageFindings(skips, option)

    def after_training(self, decoder: Any, findings: Any) -> Decoder:
        return decoder  # type: ignore[no-any-return]

    def features(self, arrays: Array | RaggedArray) -> Features:
        assert isinstance(arrays, np.ndarray)
        return Features(arrays.shape[1:])

    def joined(self, arrays: Sequence[Array], features: Features) -> Array:
        return np.stack(arrays) if arrays else np.empty((0, *features.shape), np.uint8)

    def misfit(self, shape: Shape, features: Features) -> str | None:
        if shape == features.shape:
            return None
        return (
            f"is {described(shape)}, not {described(features.shape)} as in training: bring it to that, or train "
            "with steps that do (resize, grayscale, rgb)"
        )

    def alone(self, raw: Any, features: Features) -> bool:
        return (
            isinstance(raw, np.ndarray)
            and raw.ndim == 3
            and raw.shape[2] in (3, 4)
            and raw.shape[1:] != features.shape[:2]
        )

    def of_arrays(self, inputs: Any) -> Iterable[Array]:
        if not isinstance(inputs, np.ndarray) or inputs.dtype != np.uint8 or inputs.ndim not in (3, 4):
            raise DataError(_no_images(inputs))
        return inputs

    def example(self, item: Any, decoder: Any) -> bytes:
        """A PNG file before the decoder's operations; a large image is made smaller where the decoder makes the same
        shape of it."""
        from dist_bp.images.opening import open_image

        return _as_png(_smaller(open_image(item), decoder))


def _no_images(inputs: Any) -> str:
    from dist_bp.images.opening import of_other_type

    line = (
        "data.preprocess has steps for images, and the source gives none: neither files nor an array of uint8 "
        "(samples, height, width) or (samples, height, width, channels)"
    )
    if not isinstance(inputs, np.ndarray):
        return line
    if inputs.ndim not in (3, 4):
        return f"{line}; this one has the shape {inputs.shape}"
    return f"{line}; this one holds {of_other_type(inputs)}"


def _smaller(image: "Image", decoder: Decoder) -> "Image":
    if max(image.size) <= LARGEST_SIDE:
        return image
    small = image.copy()
    small.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    try:
        return small if decoder.pixels(small).shape == decoder.pixels(image).shape else image
    except DataError:  # it is too small to crop
        return image


def _as_png(image: "Image") -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(np.asarray(image)).save(file, "PNG")  # without what else the file says, such as where it was taken
    return file.getvalue()
