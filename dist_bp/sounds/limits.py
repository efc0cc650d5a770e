"""What the operations on sounds may be told."""

from typing import Annotated

from annotated_types import Ge, Gt, Le

LOWEST_RATE, HIGHEST_RATE = 100, 768_000
Rate = Annotated[int, Ge(LOWEST_RATE), Le(HIGHEST_RATE)]
"""Samples a second."""
Channels = Annotated[int, Ge(1), Le(1024)]
Seconds = Annotated[float, Gt(0), Le(60)]
Hertz = Annotated[float, Ge(0), Le(384_000)]
Decibels = Annotated[float, Gt(0), Le(200)]
Bands = Annotated[int, Ge(1), Le(1024)]
Power = Annotated[float, Gt(0), Le(1)]
Positions = Annotated[int, Ge(1), Le(100)]
Order = Annotated[int, Ge(1), Le(2)]

MOST_VALUES = 2**28
"""Of all channels of a sound."""
