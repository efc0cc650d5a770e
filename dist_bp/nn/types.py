"""The vocabulary that all of `dist_bp.nn` shares."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dist_bp.nn.gradients import Gradients

# Named, shaped views of one flat vector, nested like the layers: a value is an Array or again Views.
Views = dict[str, Any]

# backward(dy, grads) -> dx, or None where the context says that nobody needs dx, and for whole numbers. Gradients of a
# signal are arrays like its values, of named signals a dict of them.
Backward = Callable[[Any, "Gradients"], Any]

NO_VIEWS: Views = {}
