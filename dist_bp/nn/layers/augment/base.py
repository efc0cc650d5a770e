"""What augmentations share: random numbers for each image, the same whichever worker has it."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.types import Backward, Views
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array


class Augmentation(Layer):
    """Changes each image (rows, columns, channels) in training, linearly and into one of the same shape."""

    positionwise = False
    numbers: ClassVar[int]
    """How many random numbers an image takes."""

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind, ragged=False)
        if len(field.shape) != 3:
            raise ShapeError(
                f"{self.kind} takes images of shape (rows, columns, channels), got {field.shape}: bring them there "
                "with {type: reshape}"
            )
        rows, columns, _ = field.shape
        for option, (pixels, limit) in self.limits(rows, columns).items():
            if pixels >= limit:
                remedy = f"set it below {limit}" if limit > 1 else "leave the layer out"
                raise ShapeError(
                    f"{self.kind}: {option} is {pixels}, which can leave nothing of images of {field}: {remedy}"
                )
        return Declaration(field)

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        if not ctx.training:
            return x, _as_it_is
        draws = ctx.buffer("draws", (len(x), self.numbers), "float64")
        for group in ctx.groups:
            ctx.generator(group.index).random(out=draws[group.start : group.stop])
        y = ctx.buffer("y", x.shape)
        for image, draw, out in zip(x, draws, y, strict=True):
            self._change(image, draw, out)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            if not ctx.needs_input_grad:
                return None
            dx = ctx.buffer("dx", x.shape)
            for d_out, draw, d_image in zip(dy, draws, dx, strict=True):
                self._back(d_out, draw, d_image)
            return dx

        return y, backward

    def limits(self, rows: int, columns: int) -> Mapping[str, tuple[int, int]]:
        """Options in pixels, each with the number from which on it can leave nothing of an image."""
        return {}

    @abstractmethod
    def _change(self, image: Array, draw: Array, out: Array) -> None:
        """Fills `out` with the image changed as the numbers of `draw`, uniform in [0, 1), say."""

    @abstractmethod
    def _back(self, d_out: Array, draw: Array, d_image: Array) -> None:
        """The transpose of `_change`: fills the gradient of the image."""


def _as_it_is(dy: Array, grads: Gradients) -> Array:
    return dy
