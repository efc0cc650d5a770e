"""Columns of text that name files of images or sounds."""

from collections.abc import Iterable

from dist_bp.data.media.files import IMAGES, SOUNDS


def names_files(texts: Iterable[object]) -> str | None:
    """What else a column may be meant for, where all texts that are there name files of one kind, and there are any."""
    there = [text for text in texts if text is not None]
    for kind in (IMAGES, SOUNDS):
        if there and all(isinstance(text, str) and kind.has(text) for text in there):
            return (
                f"holds names of {kind.noun} files: name it in data.source.{kind.many} to learn from the {kind.many} "
                "themselves, or leave it out (data.source.exclude)"
            )
    return None
