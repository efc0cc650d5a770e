"""Types that all parts share."""

from typing import Any, Literal

from numpy.typing import NDArray

Array = NDArray[Any]
"""Of any shape and type of numbers; what is wanted is said where it is used."""

Shape = tuple[int, ...]
"""Of one sample: the batch axis is never part of it."""

Direction = Literal["min", "max"]
"""Whether less or more of a value is better."""

Task = Literal["classification", "regression"]
"""What is predicted."""

DType = Literal["float32", "float64"]
"""What a model computes in."""
