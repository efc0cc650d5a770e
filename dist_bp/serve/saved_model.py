"""A trained model with its preprocessing, ready to predict."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp import build
from dist_bp.checkpoint import Checkpoint, array_differences, load
from dist_bp.checkpoint.format import CONFIG
from dist_bp.config import JobConfig, stored_config
from dist_bp.config.component import construct
from dist_bp.config.trust import check_trusted, code_of_model
from dist_bp.data import Batch, Pipeline, SampleStore, Schema
from dist_bp.data.inputs import Inputs, Raw
from dist_bp.data.samples import NOTHING
from dist_bp.data.targets import Label
from dist_bp.errors import CheckpointError
from dist_bp.metrics import Metric
from dist_bp.nn import Context, Loss
from dist_bp.scoring import Scorer
from dist_bp.serve.decode import decode
from dist_bp.types import Array

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS = 1024


class SavedModel:
    """Predicts from raw rows: an array (n, ...), a DataFrame or a list of dicts. May be shared between threads.

    Raises CheckpointError, DataError or ConfigError where configuration, arrays and pipeline do not fit each other.
    """

    def __init__(self, config: JobConfig, checkpoint: Checkpoint) -> None:
        self.config = config
        self.step = checkpoint.step
        self.data_digest = checkpoint.data_digest
        self.pipeline = Pipeline.from_dict(checkpoint.pipeline)
        self.schema = Schema.of(self.pipeline, own_test=False)
        self.model = build.build_model(config, self.schema)
        self.decision = build.build_decision(config, self.pipeline.targets)
        loss: Loss = construct(config.loss)
        self.loss = loss.for_class_counts(None)
        self._loss_is_whole = not loss.needs_class_counts
        self.loss.check(self.model.output, self.schema.target)
        if wrong := array_differences(checkpoint, self.model.layout.shapes, self.model.statistics_layout.shapes):
            raise CheckpointError(wrong)
        layout, statistics, dtype = self.model.layout, self.model.statistics_layout, self.model.dtype
        self._parameters = layout.views(layout.flat(checkpoint.parameters, dtype))
        self._statistics = statistics.views(statistics.flat(checkpoint.statistics, dtype))

    @classmethod
    def load(cls, path: Path | str, trust_code: bool = False) -> "SavedModel":
        """The model in a checkpoint directory, see `find_model`.

        With `trust_code` layers and loss that are not of dist_bp are imported and run. Raises CheckpointError where
        there is no intact model, UntrustedCode where it names such code and that was not said.
        """
        path = Path(path)
        checkpoint = load(path, for_resuming=False)
        config = stored_config(checkpoint.config, path / CONFIG)
        check_trusted(code_of_model(config), trust_code, path)
        return cls(config, checkpoint)

    @property
    def decides(self) -> tuple[Label, float] | None:
        """Of two classes the positive one, and the probability above which it is decided for."""
        if self.decision is None or self.pipeline.classes is None:
            return None
        return self.pipeline.classes[self.decision.positive], self.decision.threshold

    @np.errstate(all="ignore")
    def predict(self, raw: Raw, batch_rows: int = BATCH_ROWS) -> "pd.DataFrame":
        """A row for each of `raw`.

        For classes the columns are `prediction`, a class, and `probability_<class>` of each; for several labels at
        once `prediction_<i>` and `probability_<i>`; for a regression `prediction`, or `prediction_<i>` where there
        are several values. Raises DataError for rows that do not have the form of the training data.
        """
        inputs = self.pipeline.conform(raw)
        outputs = np.empty((len(inputs), *self.model.output.shape), self.model.dtype)
        context = self._context()
        for start, x in self._blocks(inputs, batch_rows):
            outputs[start : start + len(x)] = self.model.forward(x, self._parameters, context)[0]
        return decode(outputs, self.loss.activation, self.pipeline.targets, self.decision)

    def evaluate(self, raw: Raw, targets: Any, metrics: Mapping[str, Metric] | None = None) -> dict[str, float]:
        """`loss`, by the samples' mean, and the metrics (by default the configuration's) that are numbers.

        The loss is left out where class weights are balanced: they belong to the training split. Raises DataError
        for rows and targets that do not have the form of the training data.
        """
        return self.evaluate_blocks([(raw, targets)], metrics)

    def evaluate_blocks(
        self, blocks: Iterable[tuple[Raw, Any]], metrics: Mapping[str, Metric] | None = None
    ) -> dict[str, float]:
        """As `evaluate`, of raw rows and targets that come in parts."""
        batches = (batch for raw, targets in blocks for batch in self._batches(raw, targets))
        return self._scores(batches, metrics, self.loss if self._loss_is_whole else None)

    def _batches(self, raw: Raw, targets: Any) -> Iterator[Batch]:
        inputs = self.pipeline.conform(raw)
        wanted = self.pipeline.encode_targets(targets)
        return (Batch(x, wanted[start : start + len(x)]) for start, x in self._blocks(inputs, BATCH_ROWS))

    def evaluate_prepared(
        self, samples: SampleStore, loss: Loss, metrics: Mapping[str, Metric] | None = None
    ) -> dict[str, float]:
        """As `evaluate`, of samples that are preprocessed, with encoded targets."""
        return self._scores(samples.blocks(0, len(samples), BATCH_ROWS), metrics, loss)

    @np.errstate(all="ignore")
    def _scores(
        self, batches: Iterator[Batch], metrics: Mapping[str, Metric] | None, loss: Loss | None
    ) -> dict[str, float]:
        metrics = build.build_metrics(self.config, self.pipeline.targets) if metrics is None else metrics
        states = {name: metric.empty() for name, metric in metrics.items()}
        scorer, context = Scorer(self.model, loss, metrics), self._context()
        total, amount = 0.0, NOTHING
        for batch in batches:
            scored = scorer.score(batch, self._parameters, context, states)
            total += scored.loss
            amount += scored.amount
        scores = {"loss": total / amount.weight if amount.weight else float("nan")} if loss else {}
        results = {name: metrics[name].result(state) for name, state in states.items()}
        return scores | {name: float(value) for name, value in results.items() if np.ndim(value) == 0}

    def _blocks(self, inputs: Inputs, rows: int) -> Iterator[tuple[int, Array]]:
        """(first row, preprocessed block)."""
        for start in range(0, len(inputs), rows):
            yield start, self.pipeline.apply(inputs, np.arange(start, min(start + rows, len(inputs))))

    def _context(self) -> Context:
        """A workspace of its own for each call: calls may overlap."""
        context = self.model.context(self.config.seed)
        context.begin(training=False, statistics=self._statistics)
        return context
