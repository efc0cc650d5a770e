"""From a file, bytes, an array or an image of Pillow to an upright image that is grey or in colour."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError, WebPImagePlugin

from dist_bp.errors import DataError
from dist_bp.files import open_file
from dist_bp.images.suffixes import FORMATS
from dist_bp.media.decoder import Unreadable
from dist_bp.media.faults import LARGEST_BYTES, not_read, too_little_memory

__all__ = [
    "LARGEST_BYTES",
    "Unreadable",
    "WebPImagePlugin",
    "name_of",
    "open_image",
    "too_little_memory",
]  # imported, or Pillow would import every format that it knows

Item = Any
"""A path (str or Path), the bytes of a file, an array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) of uint8, or an image
of Pillow."""
GREY = ("1", "L", "LA", "La")
"""Modes of Pillow without colour."""
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
UNSCALED = ("I", "F")
"""Modes of Pillow that do not say how bright their numbers are."""

OUT_OF_MEMORY = ImageFile.ERRORS[-9]
"""What a decoder of Pillow says in an OSError."""
FACTORS = {"L;2": 85, "L;4": 17}
"""Of grey PNG files of few bits, by what Pillow calls their pixels: from these to 0..255."""


def open_image(item: Item, name: str = "") -> Image.Image:
    """The image, upright as its EXIF orientation says, of mode L (grey) or RGB.

    Of 16 bits the upper 8 are kept, as Pillow does for colours; what is transparent lies on white; a palette, CMYK and
    all that is not grey becomes RGB. Raises Unreadable, with `name` or the path, for what is no whole image, and
    another DataError where not the file is the reason: too little memory, a disk that fails.
    """
    try:
        if isinstance(item, np.ndarray):
            return _plain(_of_array(item))
        if isinstance(item, Image.Image):
            return _plain(item)
        if isinstance(item, bytes | bytearray | memoryview):
            return _decoded(io.BytesIO(item))
        if isinstance(item, str | Path):
            with open_file(item, LARGEST_BYTES) as file:
                return _decoded(file)
    except MemoryError as error:
        raise too_little_memory(name or name_of(item)) from error
    except OSError as error:
        raise not_read(error, name or name_of(item)) from error
    except _NotAnImage as error:
        raise Unreadable(f"{name or name_of(item)} cannot be read: {error}") from error
    kind = type(item).__name__
    raise DataError(f"{name or 'an image'} must be a path, bytes, an array or an image of Pillow, it is {kind}")


def has_too_many_pixels(height: int, width: int) -> bool:
    """Whether an image is larger than Pillow opens without a warning."""
    most = Image.MAX_IMAGE_PIXELS
    return bool(most and height * width > most)


def of_other_type(array: Any) -> str:
    """The type of an array that is not of uint8, and what to do with it."""
    if array.dtype != np.uint16:
        return str(array.dtype)
    return "uint16: of 16 bits give the upper 8, as files are read, (array >> 8).astype(numpy.uint8)"


def name_of(item: Item) -> str:
    """An image, for messages."""
    return f"image file {str(item)!r}" if isinstance(item, str | Path) else "an image"


class _NotAnImage(Exception):
    """Says why."""


def _decoded(file: Any) -> Image.Image:
    try:
        with Image.open(file, formats=FORMATS) as image:
            if has_too_many_pixels(image.height, image.width):
                raise Image.DecompressionBombError  # who has set other filters is only warned
            layout = str(image.tile[0].args) if image.format == "PNG" and image.tile else ""
            image.load()
            return _plain(_as_png_means(image, layout))
    except (_NotAnImage, MemoryError):
        raise
    except UnidentifiedImageError:
        empty = file.seek(0, io.SEEK_END) == 0
        raise _NotAnImage("it is empty" if empty else "it is no PNG, JPEG, BMP, GIF or WebP") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _NotAnImage(f"it has more than the {Image.MAX_IMAGE_PIXELS:,} pixels that an image may have") from None
    except Exception as error:  # what the decoders of Pillow raise for damaged files has no common base
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if OUT_OF_MEMORY in str(error):
            raise MemoryError from error
        raise _NotAnImage(" ".join(str(error).split()) or type(error).__name__) from error


def _as_png_means(image: Image.Image, layout: str) -> Image.Image:
    """The image, of a PNG file whose pixels Pillow calls `layout`, where Pillow takes it for another: grey of 16 bits
    with an alpha channel for a colour, and a transparent value for one of the pixels that it has scaled."""
    if layout == "LA;16B":
        return image.convert("LA")
    transparent = image.info.get("transparency")
    if layout == "RGB;16B" and transparent is not None:
        raise _NotAnImage("it has 16 bits a channel and a transparent colour: save it with an alpha channel instead")
    if layout in FACTORS and transparent is not None:
        image.info["transparency"] = transparent * FACTORS[layout]
    return image


def _of_array(array: Any) -> Image.Image:
    if array.dtype != np.uint8:
        raise _NotAnImage(f"an array must hold uint8, this one holds {of_other_type(array)}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or 0 in array.shape:
        raise _NotAnImage(f"an array must be (height, width) or (height, width, 1, 3 or 4), this one is {array.shape}")
    return Image.fromarray(np.ascontiguousarray(array))


def _plain(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode in SIXTEEN_BITS:
        return _of_sixteen_bits(image)
    if image.mode in UNSCALED:
        raise _NotAnImage(f"its mode {image.mode} does not say what is black and what is white")
    mode = "L" if image.mode in GREY else "RGB"
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _of_sixteen_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    pixels = (values >> 8).astype(np.uint8)
    if (transparent := image.info.get("transparency")) is not None:
        pixels[values == transparent] = 255
    return Image.fromarray(pixels)
