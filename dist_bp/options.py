"""The words in which components annotate the arguments of their constructors.

Limits are those of `annotated_types`, descriptions `Doc` of PEP 727; both are plain data that a configuration, a check
in Python and a page of documentation read alike.
"""

from collections.abc import Iterable
from typing import Annotated

from annotated_types import Ge, Gt, Le, Len, Lt, MinLen
from typing_extensions import Doc

__all__ = [
    "Count",
    "Doc",
    "File",
    "Fraction",
    "Ge",
    "Gt",
    "IsFile",
    "Le",
    "Len",
    "Lt",
    "MinLen",
    "NonNegative",
    "OneOf",
    "OpenFraction",
    "Positive",
    "Ratio",
    "Text",
    "Whole",
]


class OneOf:
    """Annotation of a text that must be one of some names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)


class IsFile:
    """Annotation of a text that is the path of a file of the user's."""


Text = Annotated[str, MinLen(1)]
File = Annotated[str, MinLen(1), IsFile()]
Whole = Annotated[int, Ge(0)]
Count = Annotated[int, Ge(1)]
NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Fraction = Annotated[float, Ge(0), Lt(1)]
"""In [0, 1)."""
OpenFraction = Annotated[float, Gt(0), Lt(1)]
"""In (0, 1)."""
Ratio = Annotated[float, Ge(0), Le(1)]
"""In [0, 1]."""
