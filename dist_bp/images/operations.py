"""What is done to an opened image, of mode L or RGB, before its pixels become an array."""

from dataclasses import dataclass
from typing import ClassVar, get_args

from PIL import Image

from dist_bp.errors import DataError
from dist_bp.images.limits import Brightness, Channels, Filter, Mode, Side

MODES: dict[int, str] = {1: "L", 3: "RGB"}
"""What Pillow calls an image of so many channels."""


@dataclass(frozen=True)
class Resized:
    """To `height` x `width` pixels.

    Args:
        mode: stretch changes the proportions; fit shows the whole image in the middle, with bars of `padding` (0 is
            black, 255 white) around it; fill covers all and cuts off what is beyond, on both sides alike.
        filter: how pixels are computed; all but nearest are smoothed where the image becomes smaller.
    """

    kind: ClassVar[str] = "resize"
    height: Side
    width: Side
    mode: Mode
    filter: Filter
    padding: Brightness

    def __call__(self, image: Image.Image) -> Image.Image:
        size, resample = (self.width, self.height), Image.Resampling[self.filter.upper()]
        if self.mode == "stretch":
            return image.resize(size, resample)
        if self.mode == "fill":
            return image.resize(size, resample, self._middle(image))
        inner = _within(image.size, size)
        canvas = Image.new(image.mode, size, self.padding if image.mode == "L" else (self.padding,) * 3)
        place = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
        canvas.paste(image.resize(inner, resample), place)
        return canvas

    def _middle(self, image: Image.Image) -> tuple[float, float, float, float]:
        """The largest part of these proportions."""
        width = min(image.width, image.height * self.width / self.height)
        height = min(image.height, image.width * self.height / self.width)
        left, top = (image.width - width) / 2, (image.height - height) / 2
        return left, top, min(left + width, image.width), min(top + height, image.height)


def _within(size: tuple[int, int], limits: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same proportions within the limits."""
    (width, height), (most_width, most_height) = size, limits
    if width * most_height > most_width * height:
        return most_width, max(1, round(height * most_width / width))
    return max(1, round(width * most_height / height)), most_height


@dataclass(frozen=True)
class Cropped:
    """The middle `height` x `width` pixels; raises DataError for an image that is smaller."""

    kind: ClassVar[str] = "center_crop"
    height: Side
    width: Side

    def __call__(self, image: Image.Image) -> Image.Image:
        if image.width < self.width or image.height < self.height:
            raise DataError(
                f"is {image.height} x {image.width}, smaller than the {self.height} x {self.width} that center_crop "
                "keeps: put a resize before it in data.preprocess"
            )
        left, top = (image.width - self.width) // 2, (image.height - self.height) // 2
        return image.crop((left, top, left + self.width, top + self.height))


@dataclass(frozen=True)
class Recoloured:
    """With 1 channel, the luma of ITU-R BT.601 of colours, or 3, all alike of grey."""

    kind: ClassVar[str] = "channels"
    channels: Channels

    def __call__(self, image: Image.Image) -> Image.Image:
        mode = MODES[self.channels]
        return image if image.mode == mode else image.convert(mode)


Operation = Resized | Cropped | Recoloured
OPERATIONS: dict[str, type[Operation]] = {one.kind: one for one in get_args(Operation)}
