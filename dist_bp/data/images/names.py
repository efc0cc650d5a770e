"""Columns of text that name image files."""

from collections.abc import Iterable

from dist_bp.images.suffixes import is_image

REMEDY = (
    "holds names of image files: name it in data.source.images to learn from the images themselves, or leave it out "
    "(data.source.exclude)"
)
"""What else a column of them may be meant for."""


def are_images(texts: Iterable[object]) -> bool:
    """Whether all texts that are there are names of images, and there are any."""
    there = [text for text in texts if text is not None]
    return bool(there) and all(isinstance(text, str) and is_image(text) for text in there)
