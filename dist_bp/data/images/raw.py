"""Images as users hand them over to a model."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp.data.conform import rows_with
from dist_bp.data.images.files import image_files
from dist_bp.data.inputs import ONLY, Described, Raw, array_in, is_named, is_table, table_in
from dist_bp.errors import DataError
from dist_bp.types import Array, Shape

if TYPE_CHECKING:
    from PIL.Image import Image

    from dist_bp.images.decoder import Decoder

COLUMN = "image"
FORMS = "paths, bytes of files, arrays of uint8 or images of Pillow"
SEVERAL = f"the model takes several images at once: give a list of {FORMS}"
LARGEST_SIDE = 1024
"""Of examples, in pixels."""


@dataclass(frozen=True)
class Pixels:
    """Images that are decoded already, uint8 (n, *shape)."""

    array: Array

    def __len__(self) -> int:
        return len(self.array)


def decode_raw(raw: Raw, decoder: "Decoder", features: Described) -> Raw:
    """Raw inputs with uint8 (n, height, width, channels) in place of images, as `features` describes them.

    Images are a list of paths, bytes of files, arrays or images of Pillow; an array (n, height, width) or (n, height,
    width, channels) of uint8; or a table with one column of such. Where the network takes a table beside them they are
    a column of it. Raises DataError.
    """
    name, image = array_in(features)
    if (table := table_in(features)) is None:
        return _pixels(raw, decoder, image.shape)
    if not (is_named(raw) and ONLY in raw):
        raw = rows_with(raw, (name, *(table.names or ())))
        raw = {ONLY: raw, name: raw[name]}
    return {ONLY: raw[ONLY], name: _pixels(raw[name], decoder, image.shape)}


def _pixels(raw: Raw, decoder: "Decoder", shape: Shape) -> Array:
    if isinstance(raw, Pixels):
        return raw.array
    if isinstance(raw, np.ndarray) and raw.ndim == 3 and raw.shape[2] in (3, 4) and raw.shape[1:] != shape[:2]:
        raise DataError(f"{SEVERAL}; this array {raw.shape} looks like one image: give [array]")
    return decoder.decode(_items(raw), shape)


def example_files(raw: Raw, decoder: "Decoder", most: int) -> Any:
    """A table of the first `most` samples whose files are images, as PNG files before the decoder's operations, as a
    model takes them; large ones are made smaller where the decoder makes the same shape of them."""
    import pandas as pd

    from dist_bp.images.opening import Unreadable, open_image

    files: dict[int, bytes] = {}
    for row, path in enumerate(image_files(raw) or ()):
        if len(files) == most:
            break
        with suppress(Unreadable):
            files[row] = _as_png(_smaller(open_image(path), decoder))
    column = pd.Series([*files.values()], dtype=object)
    if not is_named(raw):
        return pd.DataFrame({COLUMN: column})
    (name,) = (name for name in raw if name != ONLY)
    return raw[ONLY].iloc[[*files]].reset_index(drop=True).assign(**{name: column})


def _smaller(image: "Image", decoder: "Decoder") -> "Image":
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


def _items(raw: Any) -> Sequence[Any]:
    if is_table(raw):
        if raw.shape[1] != 1:
            raise DataError(f"the model takes images: give one column of {FORMS}, not {raw.shape[1]}")
        return list(raw.iloc[:, 0])
    if isinstance(raw, str | bytes | Path) or not hasattr(raw, "__len__"):
        raise DataError(SEVERAL)
    if isinstance(raw, np.ndarray):
        return list(raw)
    items = list(raw)
    if items and isinstance(items[0], dict):
        return _items_of_rows(items)
    return items


def _items_of_rows(rows: Sequence[dict[str, Any]]) -> Sequence[Any]:
    names = {name for row in rows for name in row}
    if len(names) != 1:
        raise DataError(f"the model takes images: give one column of {FORMS}, not {len(names)}")
    (name,) = names
    return [row.get(name) for row in rows]
