"""A layer of a user's own that raises in the middle of training."""

from dist_bp.nn import Array, Backward, Context, Declaration, Dense, Layer, Shape, Views


class Failing(Layer):
    """A dense layer of 4 units until step 3."""

    def __init__(self) -> None:
        self._dense = Dense(4)

    def declare(self, input_shape: Shape) -> Declaration:
        return self._dense.declare(input_shape)

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        if ctx.step == 3:
            raise ValueError("this layer fails at step 3")
        return self._dense.forward(x, params, ctx)
