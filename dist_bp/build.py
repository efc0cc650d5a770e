"""From the configuration of a job to the objects that it is made of.

The options of a component are those of its constructor; here is what they need from the rest of the job.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import numpy as np

from dist_bp import data, nn, optim
from dist_bp.components import metric
from dist_bp.config import JobConfig
from dist_bp.config.component import Custom, construct, own_options
from dist_bp.config.decision import ChosenThreshold, DecisionConfig
from dist_bp.config.metrics import metric_misfit, metrics_or_default, monitor_mode
from dist_bp.data.sources.function import FunctionSource
from dist_bp.errors import ConfigError
from dist_bp.media.decoding import HERE, Decoding
from dist_bp.metrics import Metric
from dist_bp.metrics.best_threshold import THRESHOLD, BestThreshold
from dist_bp.metrics.two_classes import Decision
from dist_bp.metrics.viewed import Viewed
from dist_bp.optim.schedules.plateau import ReduceOnPlateau
from dist_bp.ps.modes import MODES, Mode

LABELS: dict[str | None, data.LabelsPer] = {"softmax": "position", "ctc": "sequence"}
"""What labels of several axes are to the activation of a loss."""
CONFUSION_CLASSES = 100
"""Up to so many classes the confusion matrix is measured without being asked for."""


@dataclass(frozen=True)
class JobParts:
    """What a job is made of, alike in its driver and in every process of its run: all follows from the configuration
    and the data that was prepared for it.

    A part is made when it is first asked for; it raises what its builder below raises.
    """

    config: JobConfig
    prepared: data.Prepared

    @cached_property
    def model(self) -> nn.Model:
        return build_model(self.config, self.prepared.schema)

    @cached_property
    def loss(self) -> nn.Loss:
        return build_loss(self.config, class_counts(self.prepared))

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        return build_metrics(self.config, self.prepared.pipeline.targets)

    @cached_property
    def updater(self) -> optim.Updater:
        return build_updater(self.config, self.model)

    def complete(self) -> Self:
        """Makes all of them now; raises UserError for the first one that cannot be made."""
        for part in ("model", "loss", "metrics", "updater"):
            getattr(self, part)
        return self


def build_source(config: JobConfig) -> data.Source:
    source = config.data.source
    if isinstance(source, Custom):
        return FunctionSource(source.type, own_options(source))
    return construct(source)  # type: ignore[no-any-return]


def prepare(config: JobConfig, decoding: Decoding = HERE) -> data.Prepared:
    """Reads, splits and preprocesses the data into memory-mapped arrays, or opens what is there already.

    `decoding` says who decodes files, and hears of it.
    """
    return data.prepare(
        build_source(config),
        data.Split(config.data.split.validation, config.data.split.test, config.data.split.stratify),
        [construct(section) for section in config.data.preprocess],
        seed=config.seed,
        dtype=config.model.dtype,
        directory=config.data.prepared,
        task=config.data.task or task_hint(config),
        transform=config.data.target.transform,
        labels=LABELS.get(getattr(construct(config.loss), "activation", None), "sample"),
        decoding=decoding,
    )


def task_hint(config: JobConfig) -> data.TaskHint | None:
    """The task that follows from the loss or, where a loss of the user's own does not say, from the metrics."""
    if kind := getattr(construct(config.loss), "kind", None):
        return data.TaskHint(kind, f"the loss {config.loss.type}")
    if config.metrics:
        return data.TaskHint(metric(config.metrics[0]).kind, f"the metric {config.metrics[0]}")
    return None


def build_model(config: JobConfig, schema: data.Schema) -> nn.Model:
    """Raises ShapeError where the layers do not fit each other or the data."""
    layers = [construct(section, initializer=config.model.initializer) for section in config.model.layers]
    return nn.Model(layers, schema.inputs, config.model.dtype)


def build_loss(config: JobConfig, class_counts: Sequence[float] | None = None) -> nn.Loss:
    """`class_counts` are those of the training split; without them balanced class weights are left out."""
    loss: nn.Loss = construct(config.loss)
    return loss.for_class_counts(class_counts)


def class_counts(prepared: data.Prepared) -> list[float] | None:
    """How often each class occurs in the training split, by the samples' weights where they have any."""
    if prepared.schema.classes is None:
        return None
    train = prepared.split("train")
    labels, weights = train.flat_targets
    counts: list[float] = np.bincount(labels, weights, minlength=len(prepared.schema.classes)).tolist()
    return counts


def classes_of_splits(prepared: data.Prepared) -> dict[str, dict[str, int]]:
    """How often each class occurs in each split that holds samples; empty where a sample has not one of them."""
    classes = () if prepared.pipeline.targets.by_position else prepared.schema.classes or ()
    counts = {
        split: np.bincount(prepared.split(split).flat_targets[0], minlength=len(classes)).tolist()
        for split, size in prepared.splits.items()
        if size and classes
    }
    return {name: {split: found[index] for split, found in counts.items()} for index, name in enumerate(classes)}


def build_metrics(config: JobConfig, targets: data.Targets) -> dict[str, Metric]:
    """The configured metrics by name, in the targets' own units; with the confusion matrix for a figure of it, where
    there are classes.

    Raises ConfigError for a metric of the other kind of targets.
    """
    task, classes = targets.task, targets.classes
    sequences = of_sequences(config)
    names = metrics_or_default(config.metrics, task, sequences)
    if classes and not sequences and len(classes) <= CONFUSION_CLASSES and "confusion_matrix" not in names:
        names = (*names, "confusion_matrix")
    found = {name: metric(name) for name in names}
    strangers = [one for one in found.values() if one.kind != task]
    problems = [f"{one.name} is for {one.kind}, but the data is for {task}" for one in strangers]
    what = f"{len(classes)} classes" if classes else "several labels a sample"
    problems += [misfit for name in names if (misfit := metric_misfit(name, sequences))]
    problems += [
        f"{one.name} is for two classes, but the data has {what}: use {one.otherwise}"
        for one in found.values()
        if one.kind == task and one.of_positive and len(classes or ()) != 2
    ]
    if problems:
        raise ConfigError(problems)
    decision = build_decision(config, targets)
    if targets.transform:
        return {name: Viewed(one, targets.undo_both) for name, one in found.items()}
    if decision is None:
        return found
    seen = {name: decision.seen_by(one) for name, one in found.items()}
    threshold = config.decision.threshold
    if isinstance(threshold, ChosenThreshold) and targets.threshold is None:
        seen[THRESHOLD] = BestThreshold(metric(threshold.by), decision)  # type: ignore[arg-type]
    return seen


def of_sequences(config: JobConfig) -> bool:
    """Whether the loss is for sequences of labels."""
    return getattr(construct(config.loss), "activation", None) == "ctc"


def build_decision(config: JobConfig, targets: data.Targets) -> Decision | None:
    """How one of two classes is decided for; None where there are not two.

    A threshold that is still to be chosen is 0.5. Raises ConfigError.
    """
    wanted, threshold = config.decision.positive, config.decision.threshold
    if len(targets.classes or ()) != 2 or of_sequences(config):
        if config.decision != DecisionConfig():
            raise ConfigError("decision is for two classes, which the data has not: remove it")
        return None
    if isinstance(threshold, ChosenThreshold):
        threshold = 0.5 if targets.threshold is None else targets.threshold
    return Decision(1 if wanted is None else targets.position(wanted, "decision.positive"), threshold)


def build_updater(config: JobConfig, model: nn.Model) -> optim.Updater:
    return optim.Updater(
        rule=construct(config.train.optimizer),
        clip_value=config.train.clip_value,
        clip_norm=config.train.clip_norm,
        decayed=model.decayed,
    )


def build_mode(config: JobConfig) -> Mode:
    section = config.parameter_server
    kind = MODES[section.mode]
    options = {field.name: getattr(section, field.name) for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in options.items() if value is not None})


def build_schedule(config: JobConfig, total_steps: int) -> optim.Schedule:
    """The schedule, with a warm-up that ends within the job."""
    schedule: optim.Schedule = construct(config.train.schedule)
    return schedule.fitting(total_steps)


def build_rate(config: JobConfig, total_steps: int) -> Callable[[int], float]:
    """The scheduled learning rate after a number of updates; a plateau's own factor comes on top of its warm-up."""
    schedule = build_schedule(config, total_steps)
    base = config.train.optimizer.learning_rate
    return lambda step: base * schedule(step, total_steps)


def build_plateau(config: JobConfig) -> optim.Plateau | None:
    schedule = construct(config.train.schedule)
    if not isinstance(schedule, ReduceOnPlateau):
        return None
    return schedule.observer(monitor_mode(schedule.monitor))


def build_batches(config: JobConfig, samples: data.SampleStore, shares: int) -> data.Batches:
    train = config.train
    return data.Batches(
        samples=len(samples),
        batch_size=train.batch_size,
        group_size=train.group_size,
        accumulate=train.accumulate,
        shares=shares,
        seed=config.seed,
        shuffle=train.shuffle,
        lengths=samples.lengths if train.group_by_length else None,
        context=moving_context(config),
    )


def moving_context(config: JobConfig) -> int | None:
    """How many tokens of one long text a sample is, where samples begin elsewhere in each epoch."""
    source = config.data.source
    return source.context if source.type == "text" and source.shift else None
