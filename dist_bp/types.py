"""The word for arrays that all parts share."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
"""Of any shape and type of numbers; what is wanted is said where it is used."""
