"""scikit-learn's MLPClassifier in one process."""

from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.processes import Contender
from benchmarks.works import MOMENTUM, SAMPLES, Array, Work, read_inputs

NEVER = 10**9


class ScikitLearn(Contender):
    """`partial_fit` in the given order: a call takes the rows of an epoch at most and makes an update for each batch of
    them, as `fit` does; or a call for each batch, as where the samples come one batch at a time."""

    def __init__(self, work: Work, folder: Path, rank: int, size: int) -> None:
        self._inputs = inputs = read_inputs(work, folder)
        self._batch = work.batch
        self._model = MLPClassifier(
            hidden_layer_sizes=work.sizes[1:-1],
            solver="adam" if work.optimizer == "adam" else "sgd",
            alpha=0.0,
            batch_size=work.batch,
            learning_rate_init=work.rate,
            momentum=MOMENTUM,
            nesterovs_momentum=False,
            shuffle=False,
            max_iter=NEVER,
            n_iter_no_change=NEVER,
        )
        rows = inputs.rows(0)
        self._model.partial_fit(inputs.x[rows], inputs.y[rows], classes=np.arange(work.sizes[-1]))
        self._model.coefs_ = [weight.copy() for weight, _ in inputs.layers]
        self._model.intercepts_ = [bias.copy() for _, bias in inputs.layers]
        del self._model._optimizer  # made anew by the next call, for these parameters

    def run(self, first: int, count: int) -> None:
        order = self._inputs.order
        epoch = SAMPLES // self._batch
        done = 0
        while done < count:
            start = (first + done) % len(order)
            stop = min(start + min(epoch, count - done), len(order))
            self._fit(order[start:stop].ravel())
            done += stop - start

    def run_batches(self, first: int, count: int) -> Array:
        """The losses of the steps."""
        return np.array([self._fit(self._inputs.rows(first + number)) for number in range(count)])

    def _fit(self, rows: Array) -> float:
        self._model.partial_fit(self._inputs.x[rows], self._inputs.y[rows])
        return float(self._model.loss_)
