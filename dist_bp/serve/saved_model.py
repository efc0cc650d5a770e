"""A trained model with its preprocessing, ready to predict."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dist_bp import build
from dist_bp.checkpoint import Checkpoint, array_differences, load
from dist_bp.checkpoint.format import CONFIG
from dist_bp.config import JobConfig, stored_config
from dist_bp.config.component import construct
from dist_bp.config.trust import check_trusted, code_of_model
from dist_bp.data import Batch, Pipeline, Samples, SampleStore, Schema
from dist_bp.data.checks import check_aligned, check_counts
from dist_bp.data.inputs import Inputs, Raw
from dist_bp.data.media.raw import with_rate
from dist_bp.data.samples import NOTHING, RaggedArray, block, cuts, lengths_of
from dist_bp.data.targets import Label
from dist_bp.data.unseen import Unseen
from dist_bp.data.weights import weight_array
from dist_bp.errors import CheckpointError, DataError
from dist_bp.metrics import Metric
from dist_bp.metrics.best_path import best_path
from dist_bp.nn import Context, Loss
from dist_bp.scoring import Scorer
from dist_bp.serve.decode import Decided, decide, decode, spelled, with_positions
from dist_bp.serve.language import LanguageModel, Sampling
from dist_bp.serve.texts import Judge
from dist_bp.signals import Ragged, Signal, samples_in
from dist_bp.types import Array

if TYPE_CHECKING:
    import pandas as pd

OUTPUT_BYTES = 2**26
"""Of a network's outputs that become predictions at a time."""


class Outputs(NamedTuple):
    """Of so many samples, or their positions, one below the other, and how many positions each sample has (samples,),
    None where all have as many."""

    values: Array
    lengths: Array | None
    samples: int


class SavedModel:
    """Predicts from raw rows: an array (n, ...), arrays of different lengths, a dict of such inputs by their names, a
    DataFrame or a list of dicts. May be shared between threads.

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
        counts = self.pipeline.targets.counts
        self.loss = loss.for_class_counts(counts)
        self.measured = None if loss.needs_class_counts and not counts else self.loss
        """The loss; None where it goes by the classes of the training split and the model does not know their counts.
        """
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
    def by_position(self) -> bool:
        """Whether there is a prediction for each position of a sample: of a language model there is one for a text."""
        return self._aligned and self.pipeline.context is None

    @property
    def _aligned(self) -> bool:
        """Whether each position of a sample has a target."""
        return self.pipeline.targets.by_position and self.loss.activation != "ctc"

    @property
    def decides(self) -> tuple[Label, float] | None:
        """Of two classes the positive one, and the probability above which it is decided for."""
        if self.decision is None or self.pipeline.classes is None:
            return None
        return self.pipeline.classes[self.decision.positive], self.decision.threshold

    def predict(
        self, raw: Raw, batch_rows: int | None = None, unseen: Unseen | None = None, rate: int | None = None
    ) -> "pd.DataFrame":
        """A row for each of `raw`.

        For classes the columns are `prediction`, a class, and `probability_<class>` of each; for several labels at
        once `prediction_<i>` and `probability_<i>`; for a regression `prediction`, or `prediction_<i>` where there
        are several values; for sequences of labels `prediction`, the classes with spaces between them. Where the
        network has outputs for each position of a sample, there is a row for each of them: first the columns `sample`
        and `position`, both from 0, then these. Of a language model, for each text: `prediction`, the token that is
        the most likely to follow it, and its `probability`; `perplexity` of the text's tokens but the first, each
        foretold by those before it in stretches as in training, NaN where there is none; and how many `tokens` it has.

        At most `batch_rows` samples go through the network at a time. `unseen` takes the categories that training has
        not seen. Sounds that are arrays of samples have `rate` of them a second. Raises DataError for rows that do not
        have the form of the training data.
        """
        raw = raw if rate is None else with_rate(raw, rate, self.pipeline.decoder)
        parts = [*self.predict_in_parts(raw, batch_rows, unseen)]
        if len(parts) == 1:
            return parts[0]
        import pandas as pd

        return pd.concat(parts, ignore_index=True)

    def predict_in_parts(
        self, raw: Raw, batch_rows: int | None = None, unseen: Unseen | None = None
    ) -> "Iterator[pd.DataFrame]":
        """`predict`, of some samples after the other, so that the outputs of the network take little memory at a time,
        whatever the samples are. There is one part at least."""
        inputs = self.pipeline.conform(raw)
        if self.pipeline.context is not None:
            return self._judged(inputs, unseen)
        blocks = (x for _, x in self._blocks(inputs, batch_rows or self.model.at_a_time.rows, unseen))
        return iter([self._spelled(blocks)]) if self.loss.activation == "ctc" else self._decoded(blocks)

    @property
    def language(self) -> LanguageModel:
        """For a text token by token; raises UserError where the model is no language model."""
        return LanguageModel(self.model, self._parameters, self._statistics, self.pipeline, self.loss)

    def generate(
        self, prompt: str, tokens: int = 200, temperature: float = 0.8, top_k: int | None = None, seed: int = 0
    ) -> str:
        """What a language model goes on with after `prompt`, see `Sampling`.

        Raises UserError where the model is none, DataError for a prompt without a token.
        """
        language = self.language
        chosen = language.generate(language.prompt(prompt), Sampling(tokens, temperature, top_k, seed))
        return "".join(one.text for one in chosen)

    @np.errstate(all="ignore")
    def decide(self, blocks: Iterable[Signal]) -> Decided:
        """The classes of samples that are preprocessed, where each has one."""
        found = [part.values for part in self._outputs(blocks)]
        return decide(np.concatenate(found), self.loss.activation, self.decision)

    def _judged(self, inputs: Inputs, unseen: Unseen | None) -> "Iterator[pd.DataFrame]":
        """Of texts for a language model."""
        tokenizer, context, memory = self.pipeline.tokenizer, self.pipeline.context, self._context()
        assert tokenizer
        assert context

        def scores(x: Ragged) -> Array:
            found: Array = self.model.forward(x, self._parameters, memory)[0].values
            return found

        rows = self.model.at_a_time.rows
        judge = Judge(scores, tokenizer, context, rows)
        for start in range(0, max(len(inputs), 1), rows):
            some = np.arange(start, min(start + rows, len(inputs)))
            yield judge(self.pipeline.apply(inputs, some, unseen=unseen))

    def _spelled(self, blocks: Iterable[Signal]) -> "pd.DataFrame":
        context, paths = self._context(), []
        for x in blocks:
            paths.append(best_path(self.model.forward(x, self._parameters, context)[0]))
        return spelled(paths, self.pipeline.targets)

    def _decoded(self, blocks: Iterable[Signal]) -> "Iterator[pd.DataFrame]":
        """Predictions as people read them, for each sample or each of its positions."""
        samples = 0
        for outputs in self._outputs(blocks):
            with np.errstate(all="ignore"):
                decoded = decode(outputs.values, self.loss.activation, self.pipeline.targets, self.decision)
            if self.by_position:
                decoded = with_positions(decoded, outputs.samples, outputs.lengths)
                decoded["sample"] += samples
            samples += outputs.samples
            yield decoded

    def _outputs(self, blocks: Iterable[Signal]) -> Iterator[Outputs]:
        """Those of the samples, or their positions, in parts of `OUTPUT_BYTES`; one at least."""
        context, shape = self._context(), self.model.output.shape
        found = [np.empty((0, *shape), self.model.dtype)]
        lengths: list[Array] = []
        samples = told = held = 0
        for x in blocks:
            with np.errstate(all="ignore"):
                y = self.model.forward(x, self._parameters, context)[0]
            samples += samples_in(x)
            if isinstance(y, Ragged):
                found.append(y.values[np.arange(y.values.shape[1]) < y.lengths[:, np.newaxis]])
                lengths.append(np.array(y.lengths))
            else:
                found.append(y.copy())
            held += found[-1].nbytes
            if held >= OUTPUT_BYTES:
                yield Outputs(np.concatenate(found), np.concatenate(lengths) if lengths else None, samples)
                del found[1:], lengths[:]
                samples, told, held = 0, told + samples, 0
        if samples or not told:
            yield Outputs(np.concatenate(found), np.concatenate(lengths) if lengths else None, samples)

    def evaluate(
        self, raw: Raw, targets: Any, metrics: Mapping[str, Metric] | None = None, weights: Any = None
    ) -> dict[str, float]:
        """`loss`, the mean over samples, or over their positions where these have targets, and the metrics (by default
        the configuration's) that are numbers.

        `weights` (n,) are those of the samples, if they do not all count alike.

        Balanced class weights are those of the training split. The loss is left out where a model of an earlier
        version does not have them. Raises DataError for rows and targets that do not have the form of the training
        data.
        """
        return self.evaluate_blocks([Samples(raw, targets, weights)], metrics)

    def evaluate_blocks(
        self, blocks: Iterable[Samples], metrics: Mapping[str, Metric] | None = None, unseen: Unseen | None = None
    ) -> dict[str, float]:
        """As `evaluate`, of raw samples in parts; `unseen` takes the categories that training has not seen."""
        batches = (batch for samples in blocks for batch in self._batches(samples, unseen))
        return self._scores(batches, metrics, self.measured)

    def _batches(self, samples: Samples, unseen: Unseen | None) -> Iterator[Batch]:
        inputs = self.pipeline.conform(samples.inputs)
        wanted = self.pipeline.encode_targets(samples.targets)
        check_counts(len(inputs), wanted)
        if self._aligned and isinstance(wanted, RaggedArray):
            check_aligned(inputs, wanted)
        weights = None
        if samples.weights is not None:
            weights = weight_array(samples.weights, len(inputs), self.pipeline.dtype)
        for start, x in self._blocks(inputs, self.model.at_a_time.rows, unseen):
            stop = start + samples_in(x)
            yield Batch(x, block(wanted, start, stop), None if weights is None else weights[start:stop])

    def evaluate_prepared(
        self, parts: Iterable[SampleStore], loss: Loss | None, metrics: Mapping[str, Metric] | None = None
    ) -> dict[str, float]:
        """As `evaluate`, of samples that are preprocessed, in parts, with encoded targets."""
        batches = (batch for samples in parts for batch in samples.blocks(0, len(samples), *self.model.at_a_time))
        return self._scores(batches, metrics, loss)

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
        if amount.samples and not amount.weight:
            raise DataError("all weights are 0: nothing counts")
        scores = {"loss": total / amount.weight if amount.weight else float("nan")} if loss else {}
        results = {name: metrics[name].result(state) for name, state in states.items()}
        return scores | {name: float(value) for name, value in results.items() if np.ndim(value) == 0}

    def _blocks(self, inputs: Inputs, rows: int, unseen: Unseen | None) -> Iterator[tuple[int, Signal]]:
        """(first row, preprocessed block)."""
        for some in inputs.chunks(np.arange(len(inputs)), rows):
            made = self.pipeline.apply(inputs, some, unseen=unseen)
            for first, last in cuts(lengths_of(made), 0, len(some), rows, self.model.at_a_time.positions):
                yield int(some[first]), block(made, first, last)

    def _context(self) -> Context:
        """A workspace of its own for each call: calls may overlap."""
        context = self.model.context(self.config.seed)
        context.begin(training=False, statistics=self._statistics)
        return context
