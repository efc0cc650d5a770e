"""A job before it runs: everything that follows from the configuration and the prepared data."""

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp import build
from dist_bp.checkpoint import Checkpoint
from dist_bp.config import JobConfig, monitor_mode, render
from dist_bp.config.component import construct
from dist_bp.data import Batches, Pipeline, epoch_order
from dist_bp.data.shards import by_length, padding_share
from dist_bp.errors import ConfigError, ShapeError, UserError
from dist_bp.media.decoding import Decoding
from dist_bp.messages import at_most, plural
from dist_bp.metrics.best_threshold import THRESHOLD
from dist_bp.nn.lookahead import looks_ahead
from dist_bp.optim import Plateau
from dist_bp.ps.arena import Snapshot
from dist_bp.ps.layout import ArenaLayout
from dist_bp.runtime.plan import arena_layout, state_names
from dist_bp.train.observer import Observer
from dist_bp.train.stopping import Stopping
from dist_bp.train.unspelled import unspelled

if TYPE_CHECKING:
    from dist_bp.media.crew import Crew

LOGGED_STEPS = 500
WORTH = 0.05
"""So much less padding is worth telling how it is had."""
LITTLE = 0.005
"""Less padding is none to tell of, such as that of a long text's last sample."""


class PreparedJob(build.JobParts):
    """One training job, checked: the layers fit each other, the data and the loss."""

    @property
    def splits(self) -> dict[str, int]:
        """Sizes of the splits that hold samples."""
        return {name: size for name, size in self.prepared.splits.items() if size}

    @property
    def measured(self) -> str | None:
        """The split that tells in the end how good the network is; None where there is but the training split."""
        return next((name for name in ("test", "validation") if name in self.splits), None)

    @property
    def loss_per(self) -> str:
        """Of what the mean loss is the mean, if all count alike: see `LossSum.weight`."""
        if self.prepared.pipeline.context is not None:
            return "token"
        if build.of_sequences(self.config):
            return "label"
        return "position" if self.prepared.pipeline.targets.by_position else "sample"

    @property
    def steps_per_epoch(self) -> int:
        train = self.config.train
        return -(-self.splits["train"] // (train.batch_size * train.accumulate))

    @property
    def epochs(self) -> int:
        return self.config.train.epochs

    @property
    def total_steps(self) -> int:
        steps = self.epochs * self.steps_per_epoch
        return min(steps, self.config.train.stop.max_steps or steps)

    @property
    def notes(self) -> list[str]:
        """A line for what the data was taken for, and for each setting that it or the number of steps changes."""
        config, warmup = self.config, self.config.train.schedule.warmup_steps
        split, notes = config.data.split, [*self.prepared.notes]
        if self.prepared.schema.own_test and split.test and "test" in split.model_fields_set:
            notes.append("data.split.test is ignored: the source has a test set of its own")
        notes += self._padding
        notes += unspelled(self.prepared, self.model, self.loss)[1]
        if self.updater.rule.lazy and not self.model.tables:
            notes.append("train.optimizer.lazy does nothing: the network has no embedding with a table of its own")
        fitting = build.build_schedule(config, self.total_steps).warmup_steps
        if fitting != warmup:
            steps = plural(self.total_steps, "step")
            notes.append(f"train.schedule.warmup_steps is {fitting}, not {warmup}: the job has {steps} in all")
        return notes

    @property
    def _padding(self) -> list[str]:
        """A line on how much of a batch is padding, if any is."""
        lengths, train = self.prepared.split("train").lengths, self.config.train
        if lengths is None or lengths.min() == lengths.max():
            return []
        size, order = train.batch_size * train.accumulate, epoch_order(len(lengths), self.config.seed, 0, train.shuffle)
        grouped = padding_share(by_length(order, lengths, size, self.config.seed, 0), lengths, size)
        if train.group_by_length:
            return [f"samples of similar length in each batch: {grouped:.0%} of all positions are padding"]
        plain = padding_share(order, lengths, size)
        if plain < LITTLE:
            return []
        remedy = f"; train.group_by_length: true makes it {grouped:.0%}"
        helps = train.shuffle and plain - grouped > WORTH
        return [f"{plain:.0%} of all positions are padding, as samples differ in length{remedy if helps else ''}"]

    @property
    def log_every(self) -> int:
        """Steps averaged into one logged point: `auto` keeps a run below some 500 points, more than a chart shows."""
        every = self.config.tracking.every_steps
        return -(-self.total_steps // LOGGED_STEPS) if every == "auto" else int(every)

    @property
    def restores_best(self) -> bool:
        stop = self.config.train.stop
        return stop.restore_best and (stop.monitor.startswith("train_") or "validation" in self.splits)

    @property
    def plateau_monitor(self) -> str:
        return getattr(self.config.train.schedule, "monitor", "")

    @property
    def initial(self) -> Snapshot:
        parameters, statistics = self.model.initialize(self.config.seed)
        size, dtype = self.model.layout.size, self.model.dtype
        state = {name: np.zeros(size, dtype) for name in state_names(self.config, self.updater)}
        return Snapshot(0, parameters, statistics, state)

    @cached_property
    def layout(self) -> ArenaLayout:
        return arena_layout(self)

    @cached_property
    def batches(self) -> Batches:
        """The global batches, whoever computes them."""
        return build.build_batches(self.config, self.prepared.split("train"), 1)

    @cached_property
    def rendered(self) -> str:
        """The configuration as checkpoints keep it."""
        return render(self.config, passwords=False)

    @cached_property
    def _pipeline(self) -> Pipeline:
        """With the classes' counts, where the loss goes by them, and whether samples have weights, so that whoever has
        the model measures it as training did."""
        loss = construct(self.config.loss)
        counts = build.class_counts(self.prepared) if loss.needs_class_counts else None
        weighted = self.prepared.split("train").weights is not None
        return self.prepared.pipeline.with_targets(counts=counts and tuple(counts), weighted=weighted)

    def stopping(self) -> Stopping:
        stop = self.config.train.stop
        return Stopping(monitor_mode(stop.monitor, stop.mode), stop.patience, stop.min_delta, stop.target)

    def plateau(self) -> Plateau | None:
        return build.build_plateau(self.config)

    def checkpoint(self, snapshot: Snapshot, threshold: float | None = None, **more: Any) -> Checkpoint:
        """The checkpoint of a committed version, with `more` of what a Checkpoint holds; `threshold` is the one that
        was chosen last."""
        pipeline = self._pipeline
        if THRESHOLD in self.metrics:
            pipeline = pipeline.with_targets(threshold=0.5 if threshold is None else threshold)
        return Checkpoint(
            step=snapshot.step,
            parameters=self.model.layout.named(snapshot.parameters),
            statistics=self.model.statistics_layout.named(snapshot.statistics),
            optimizer=snapshot.optimizer,
            config=self.rendered,
            pipeline=pipeline.to_dict(),
            dtype=self.config.model.dtype,
            data_digest=self.prepared.digest,
            job=self.config.name,
            **more,
        )


def prepare_job(config: JobConfig, observer: Observer | None = None, crew: "Crew | None" = None) -> PreparedJob:
    """Prepares the data and builds all that the job consists of; raises UserError where something does not fit.

    `crew` decodes files, None: processes of this machine.
    """
    prepared = build.prepare(config, Decoding(observer.decoded if observer else None, crew))
    job = PreparedJob(config, prepared).complete()
    problems: list[str] = []
    for check in (_check_outputs, _check_longest, _check_batch):
        try:
            check(job)
        except UserError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    _check_looks_back(job)
    if cannot := unspelled(prepared, job.model, job.loss)[0]:
        raise ConfigError(cannot)
    return job


def _check_looks_back(job: PreparedJob) -> None:
    """Raises ConfigError where a language model would see the tokens that it is to tell."""
    context = job.prepared.pipeline.context
    if context is None or not looks_ahead(job.model, job.config.seed, context):
        return
    raise ConfigError(
        "the network looks ahead: what it makes of a token depends on those that follow, which it is to tell "
        f"({'; '.join(job.model.layers_of_whole_samples)}): set causal: true of attention, and no bidirectional"
    )


def _check_outputs(job: PreparedJob) -> None:
    """Raises ShapeError where the last layer does not fit the loss, or the metrics do not fit the targets."""
    model, schema = job.model, job.prepared.schema
    try:
        job.loss.check(model.output, schema.target)
    except ShapeError as error:
        raise ShapeError([*error.problems, *_taken_for_classes(job)]) from error
    outputs, targets = np.zeros((0, *model.output.shape[-1:])), job.prepared.split("train").flat_targets[0][:0]
    for metric in job.metrics.values():
        if metric.of_sequences:
            continue  # their loss has looked at both
        metric.update(metric.empty(), outputs, targets)


def _check_longest(job: PreparedJob) -> None:
    """Raises ShapeError where a layer cannot take the longest sample of the data."""
    measured = job.prepared.measured_inputs
    build.build_model(job.config, replace(job.prepared.schema, inputs=measured))


def _taken_for_classes(job: PreparedJob) -> list[str]:
    """What may be behind one unit for several classes: whole numbers that nobody has called classes."""
    classes = job.prepared.pipeline.classes or []
    whole = len(classes) > 2 and all(isinstance(one, int) for one in classes)
    if job.config.data.task or job.model.output.shape != (1,) or not whole:
        return []
    return [
        f"the whole numbers of the targets are taken for {len(classes)} classes: to predict numbers, set "
        "data.task: regression and a loss such as mse"
    ]


def _check_batch(job: PreparedJob) -> None:
    samples, batch = job.splits["train"], job.config.train.batch_size
    if batch > samples:
        raise ConfigError(
            f"train.batch_size is {batch}, but the training split has only "
            f"{plural(samples, 'sample')}: set it to {at_most(samples)}"
        )
