"""The decoder of a saved model, as JSON."""

from typing import TYPE_CHECKING, Any

from dist_bp.data.inputs import ONLY, Described, by_name
from dist_bp.foreign import checked

if TYPE_CHECKING:
    from dist_bp.images.decoder import Decoder

MOST = 100
"""Operations that a decoder may have."""


def decoder_of(state: Any, features: Described) -> "Decoder | None":
    """What `Decoder.to_list` gave, checked, for images that `features` describes; None for None. Raises ValueError."""
    if state is None:
        return None
    from dist_bp.images.decoder import Decoder
    from dist_bp.images.operations import OPERATIONS

    several = by_name(features)
    shapes = [one.shape for one in several.values() if one.names is None and not one.ragged]
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][2] not in (1, 3) or len(several) > 1 + (ONLY in several):
        raise ValueError("what is decoded is no image")
    operations = []
    listed = checked(list[dict[str, Any]], state)
    if len(listed) > MOST:
        raise ValueError(f"{len(listed)} operations on images")
    for one in listed:
        options = dict(one)
        operations.append(checked(OPERATIONS[options.pop("kind", None)], options))
    return Decoder(tuple(operations))
