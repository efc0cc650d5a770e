"""What decodes one file."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from dist_bp.errors import DataError
from dist_bp.plugins import import_object
from dist_bp.types import Array, Shape

DECODERS = {"images": "dist_bp.images.decoder:Decoder", "sounds": "dist_bp.sounds.decoder:SoundDecoder"}
"""By what they decode."""


class Unreadable(DataError):
    """A file that does not hold what it should, or not all of it."""


@dataclass(frozen=True)
class Unlike:
    """A sample of another shape than those before it, where all must have one: nobody needs more of it."""

    shape: Shape


class Clip(NamedTuple):
    """A part of a file, from `start` to `end` in seconds, None: to its end."""

    file: Any
    start: float
    end: float | None


class Recording(NamedTuple):
    """An array of samples, `rate` of them a second, which messages call `name`."""

    values: Any
    rate: int
    name: str


Item = Any
"""The path of a file, or a `Clip` of one, or a `Recording`; from Python whatever else a decoder takes."""


class Decoder(ABC):
    """Makes arrays of files, each by itself; `many` is what they hold, and `one_shape` says that all arrays must have
    one shape."""

    many: ClassVar[str]
    one_shape: ClassVar[bool] = False

    @abstractmethod
    def open(self, item: Item, name: str = "") -> Any:
        """What becomes of an item, called `name` in messages; raises DataError, Unreadable for what is none."""

    @abstractmethod
    def name_of(self, item: Item) -> str:
        """An item, for messages."""

    def packed(self, one: Any) -> tuple[Array, list[int]]:
        """What `open` gave as an array, and numbers beside it."""
        return one, []

    def unpacked(self, array: Array, facts: Sequence[int]) -> Any:
        """Undoes `packed`."""
        return array

    @abstractmethod
    def to_json(self) -> Any:
        """All that it does, in JSON types."""

    @classmethod
    @abstractmethod
    def from_json(cls, state: Any) -> "Decoder":
        """Undoes `to_json`; what comes from elsewhere is to be checked before."""


def written(decoder: Decoder) -> str:
    """For another process."""
    return json.dumps([decoder.many, decoder.to_json()])


def read(text: str) -> Decoder:
    """Undoes `written`."""
    many, state = json.loads(text)
    found: Decoder = import_object(DECODERS[many]).from_json(state)
    return found


def path_of(item: str | Clip) -> str:
    """The file that an item is, or is a part of."""
    return item.file if isinstance(item, Clip) else item


def with_content(item: str | Clip, content: Any) -> Any:
    """The item with what the file holds in place of its path."""
    return item._replace(file=content) if isinstance(item, Clip) else content


def items_from_json(listed: Sequence[Any]) -> list[str | Clip]:
    """JSON knows no clips."""
    return [one if isinstance(one, str) else Clip(*one) for one in listed]
