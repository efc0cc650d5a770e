"""What the operations on images may be told."""

from typing import Annotated, Literal

from annotated_types import Ge, Le

Mode = Literal["fit", "fill", "stretch"]
Filter = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
Channels = Literal[1, 3]
Side = Annotated[int, Ge(1), Le(8192)]
"""Pixels of a height or width."""
Brightness = Annotated[int, Ge(0), Le(255)]
