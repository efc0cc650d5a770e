"""The decoder of a saved model, as JSON."""

from typing import TYPE_CHECKING, Any

from dist_bp.data.inputs import ONLY, Described, Features, by_name
from dist_bp.foreign import checked

if TYPE_CHECKING:
    from dist_bp.media.decoder import Decoder

MOST = 100
"""Operations that a decoder may have."""


def decoder_of(state: Any, features: Described) -> "Decoder | None":
    """What `Decoder.to_json` gave, checked, for files that `features` describes: a list of images, a dict of sounds;
    None for None. Raises ValueError."""
    if state is None:
        return None
    several = by_name(features)
    arrays = [one for one in several.values() if one.names is None]
    if len(arrays) != 1 or len(several) > 1 + (ONLY in several):
        raise ValueError("what is decoded is no input")
    return _of_sounds(state, arrays[0]) if isinstance(state, dict) else _of_images(state, arrays[0])


def _of_images(state: Any, features: Features) -> "Decoder":
    from dist_bp.images.decoder import Decoder
    from dist_bp.images.opening import has_too_many_pixels
    from dist_bp.images.operations import OPERATIONS

    if features.ragged or len(features.shape) != 3 or features.shape[2] not in (1, 3):
        raise ValueError("what is decoded is no image")
    height, width, _ = features.shape
    if not height * width or has_too_many_pixels(height, width):
        raise ValueError(f"images of {height} x {width} pixels")
    return Decoder(_operations(state, OPERATIONS))


def _of_sounds(state: dict[str, Any], features: Features) -> "Decoder":
    from dist_bp.sounds.decoder import SoundDecoder
    from dist_bp.sounds.limits import Channels, Rate
    from dist_bp.sounds.operations import OPERATIONS

    if not features.ragged or len(features.shape) != 1:
        raise ValueError("what is decoded is no sound")
    operations = _operations(state["operations"], OPERATIONS)
    return SoundDecoder(operations, checked(Rate | None, state["rate"]), checked(Channels | None, state["channels"]))


def _operations(state: Any, known: dict[str, Any]) -> tuple[Any, ...]:
    listed = checked(list[dict[str, Any]], state)
    if len(listed) > MOST:
        raise ValueError(f"{len(listed)} operations on a file")
    made = []
    for one in listed:
        options = dict(one)
        made.append(checked(known[options.pop("kind", None)], options))
    return tuple(made)
