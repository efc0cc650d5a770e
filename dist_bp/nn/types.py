"""The vocabulary that all of `dist_bp.nn` shares."""

from collections.abc import Callable
from typing import Any

from dist_bp.types import Array

# Named, shaped views of one flat vector, nested like the layers: a value is an Array or again Views.
Views = dict[str, Any]

# backward(dy, grads) -> dx, or None where the context says that nobody needs dx.
Backward = Callable[[Array, Views], Array | None]

NO_VIEWS: Views = {}
