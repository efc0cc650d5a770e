"""Running a model over samples that grow: what was made of the positions before is kept."""

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.model import Model
from dist_bp.nn.types import NO_VIEWS, Views
from dist_bp.signals import Ragged
from dist_bp.types import Array


class Decoder:
    """A model in evaluation that is given samples a part at a time, as for generating a text.

    All parts together give what the model gives for the whole, at the cost of the new positions alone: attention keeps
    its keys and values. Raises ShapeError where a layer needs whole samples, naming it.
    """

    def __init__(self, model: Model, parameters: Views, statistics: Views = NO_VIEWS) -> None:
        self._model = model.in_parts()
        self._parameters = parameters
        self._statistics = statistics
        self._context = model.context(0)
        self.past = 0
        """How many positions of each sample there have been."""
        self._samples = 0

    def __call__(self, x: Array) -> Array:
        """The next positions (n, positions, ...) of each of the n samples -> what the model gives for them.

        The outputs (n, positions, ...) are valid until the next call. Raises ShapeError for other arrays, another
        number of samples, and where a layer has come to its end, such as learned positions.
        """
        if self.past and len(x) != self._samples:
            raise ShapeError(f"there have been positions of {self._samples} samples, these are of {len(x)}: restart")
        self._samples = len(x)
        self._context.begin(training=False, statistics=self._statistics, past=self.past)
        lengths = np.full(len(x), x.shape[1])
        outputs, _ = self._model.forward(Ragged(x, lengths), self._parameters, self._context)
        self.past += x.shape[1]
        return outputs.values  # type: ignore[no-any-return]

    def restart(self) -> None:
        """Forgets all positions: other samples follow, in any number."""
        self.past = 0
