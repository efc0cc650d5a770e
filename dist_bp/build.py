"""From a configuration to the objects it names.

One explicit table maps each `type` to its class; `module:Name` is the user's own. Field names of a configuration
section are the argument names of the class, so nothing is translated twice.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dist_bp import data, nn, optim
from dist_bp.config import JobConfig
from dist_bp.config.fields import Custom, Section
from dist_bp.config.metrics import metrics_or_default, monitor_mode
from dist_bp.config.model import Repeat
from dist_bp.errors import ConfigError
from dist_bp.metrics import Metric, metric
from dist_bp.plugins import import_object
from dist_bp.ps.modes import Mode

SOURCES: dict[str, Callable[..., data.Source]] = {
    "sklearn": data.SklearnSource,
    "npz": data.NpzSource,
    "npy": data.NpySource,
    "idx": data.IdxSource,
    "csv": data.CsvSource,
    "parquet": data.ParquetSource,
}
PREPROCESSORS: dict[str, Callable[..., data.Preprocessor]] = {
    "standardize": data.Standardize,
    "min_max": data.MinMax,
    "scale": data.Scale,
    "one_hot": data.OneHot,
    "impute": data.Impute,
}
LAYERS: dict[str, Callable[..., nn.Layer]] = {
    "dense": nn.Dense,
    "activation": nn.Activation,
    "dropout": nn.Dropout,
    "batch_norm": nn.BatchNorm,
    "layer_norm": nn.LayerNorm,
    "flatten": nn.Flatten,
    "reshape": nn.Reshape,
    "residual": nn.Residual,
}
LOSSES: dict[str, Callable[..., nn.Loss]] = {
    "cross_entropy": nn.CrossEntropy,
    "binary_cross_entropy": nn.BinaryCrossEntropy,
    "mse": nn.MeanSquaredError,
    "mae": nn.MeanAbsoluteError,
    "huber": nn.Huber,
}
RULES: dict[str, Callable[..., optim.Rule]] = {
    "sgd": optim.Sgd,
    "adam": optim.Adam,
    "adamw": optim.Adam,
    "rmsprop": optim.RmsProp,
    "adagrad": optim.Adagrad,
    "lion": optim.Lion,
}
SCHEDULES: dict[str, Callable[..., optim.Schedule]] = {
    "constant": optim.Constant,
    "step": optim.StepDecay,
    "exponential": optim.Exponential,
    "cosine": optim.Cosine,
    "linear": optim.Linear,
    "one_cycle": optim.OneCycle,
}
CONFUSION_CLASSES = 100
"""Up to so many classes the confusion matrix is measured without being asked for."""
TO_THE_END = ("cosine", "linear", "one_cycle")
"""Schedules that run to the last step of the job."""


def _make(table: Mapping[str, Callable[..., Any]], section: Section, **changes: Any) -> Any:
    options = {key: value for key, value in section if key != "type"} | changes
    if not isinstance(section, Custom):
        return table[section.type](**options)  # type: ignore[attr-defined]
    options = section.options
    try:
        return import_object(section.type)(**options)
    except TypeError as error:
        raise ConfigError(f"{section.type}: {error}") from error


def build_source(config: JobConfig) -> data.Source:
    source = config.data.source
    if isinstance(source, Custom):
        return data.FunctionSource(source.type, source.options)
    return _make(SOURCES, source)  # type: ignore[no-any-return]


def prepare(config: JobConfig) -> data.Prepared:
    """Reads, splits and preprocesses the data into memory-mapped arrays, or opens what is there already."""
    return data.prepare(
        build_source(config),
        data.Split(config.data.split.validation, config.data.split.test, config.data.split.stratify),
        [_make(PREPROCESSORS, section) for section in config.data.preprocess],
        seed=config.seed,
        dtype=config.model.dtype,
        directory=config.data.prepared,
        task=config.data.task,
    )


def build_layers(sections: Sequence[Section], initializer: str | None) -> list[nn.Layer]:
    """`initializer` is what layers use that name none themselves."""
    layers: list[nn.Layer] = []
    for section in sections:
        if isinstance(section, Repeat):
            for _ in range(section.times):
                layers += build_layers(section.layers, initializer)
            continue
        changes: dict[str, Any] = {}
        if inner := getattr(section, "layers", None):
            changes["layers"] = build_layers(inner, initializer)
        if getattr(section, "initializer", ...) is None:
            changes["initializer"] = initializer
        layers.append(_make(LAYERS, section, **changes))
    return layers


def build_model(config: JobConfig, schema: data.Schema) -> nn.Model:
    """Raises ShapeError where the layers do not fit each other or the data."""
    layers = build_layers(config.model.layers, config.model.initializer)
    return nn.Model(layers, schema.input_shape, config.model.dtype)


def build_loss(config: JobConfig, class_counts: Sequence[int] | None = None) -> nn.Loss:
    """`class_counts` are those of the training split; without them balanced class weights are left out."""
    changes: dict[str, Any] = {}
    if getattr(config.loss, "class_weights", None) == "balanced":
        changes["class_weights"] = nn.balanced_class_weights(class_counts) if class_counts else None
    loss: nn.Loss = _make(LOSSES, config.loss, **changes)
    return loss


def class_counts(prepared: data.Prepared) -> list[int] | None:
    """Samples of each class in the training split."""
    if prepared.schema.classes is None:
        return None
    counts: list[int] = np.bincount(prepared.split("train")[1], minlength=len(prepared.schema.classes)).tolist()
    return counts


def build_metrics(config: JobConfig, schema: data.Schema) -> dict[str, Metric]:
    """The configured metrics by name; with the confusion matrix for a figure of it, where there are classes."""
    names = metrics_or_default(config.metrics, schema.task)
    if schema.classes and len(schema.classes) <= CONFUSION_CLASSES and "confusion_matrix" not in names:
        names = (*names, "confusion_matrix")
    return {name: metric(name, _class_count(schema)) for name in names}


def _class_count(schema: data.Schema) -> int | None:
    """Classes, or labels a sample where each is a yes or no of its own; None for a regression."""
    if schema.task == "regression":
        return None
    return len(schema.classes) if schema.classes else schema.target_shape[0]


def build_updater(config: JobConfig, model: nn.Model) -> optim.Updater:
    section = config.train.optimizer
    decay = ("type", "learning_rate", "weight_decay", "decoupled")
    rule = RULES[section.type](**{key: value for key, value in section if key not in decay})
    return optim.Updater(
        rule=rule,
        weight_decay=section.weight_decay,
        decoupled=section.decoupled,
        clip_value=config.train.clip_value,
        clip_norm=config.train.clip_norm,
        decayed=model.decayed,
    )


def build_mode(config: JobConfig) -> Mode:
    section = config.parameter_server
    return Mode(
        name=section.mode,
        staleness=section.max_staleness or 0,
        backups=section.backup_workers or 0,
        local_steps=section.local_steps or 1,
        outer_momentum=section.outer_momentum or 0.0,
    )


def build_schedule(config: JobConfig, total_steps: int) -> optim.Schedule:
    """The scheduled factor of the learning rate; a plateau's own factor comes on top of its warm-up."""
    section = config.train.schedule
    if section.type == "plateau":
        return optim.Constant(warmup_steps=section.warmup_steps)
    changes = {"total_steps": total_steps} if section.type in TO_THE_END else {}
    return _make(SCHEDULES, section, **changes)  # type: ignore[no-any-return]


def build_rate(config: JobConfig, total_steps: int) -> Callable[[int], float]:
    """The scheduled learning rate after a number of updates."""
    schedule, base = build_schedule(config, total_steps), config.train.optimizer.learning_rate
    return lambda step: base * schedule(step)


def build_plateau(config: JobConfig) -> optim.Plateau | None:
    section = config.train.schedule
    if section.type != "plateau":
        return None
    return optim.Plateau(section.factor, section.patience, section.min_factor, monitor_mode(section.monitor))


def build_batches(config: JobConfig, samples: int, workers: int, rank: int) -> data.Batches:
    train = config.train
    return data.Batches(
        samples=samples,
        batch_size=train.batch_size,
        group_size=train.group_size,
        accumulate=train.accumulate,
        workers=workers,
        rank=rank,
        seed=config.seed,
        shuffle=train.shuffle,
    )
