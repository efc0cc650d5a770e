"""Checks between the sections of a configuration.

Each check reads the values it compares by their dotted paths, so that it also runs when something else in the
configuration is wrong: looking up a value that is itself wrong raises `Unknown`, which skips the check.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dist_bp.config.component import component_of
from dist_bp.config.decision import ChosenThreshold
from dist_bp.config.fields import Section, annotated, is_optional_section
from dist_bp.config.metrics import metric_misfit, metric_task, metrics_or_default, monitor_names
from dist_bp.config.model import all_layers
from dist_bp.data.target_transform import LEAST
from dist_bp.messages import at_most, did_you_mean, nearest, plural
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.optim.schedules.plateau import ReduceOnPlateau
from dist_bp.types import Task

Lookup = Callable[[str], Any]
Finding = tuple[str, str]
"""A dotted path and what is wrong there."""


class Unknown(Exception):
    """A check needs a value that is missing or wrong."""


def findings(get: Lookup) -> Iterator[Finding]:
    """What does not fit together. `get` gives the valid value at a dotted path, or raises Unknown."""
    for check in (
        _every_worker_has_a_group,
        _batch_norm_has_samples,
        _mode_options,
        _min_workers_fit,
        _replacement_fits,
        _lazy_fits_mode,
        _top_k_fraction,
        _backups_leave_a_worker,
        _loss_fits_task,
        _transform_fits_task,
        _threshold_can_be_chosen,
        _metrics_fit_loss,
        _stop_monitor,
        _checkpoint_monitor,
        _plateau_monitor,
        _plateau_before_stop,
        _sweep_metric,
        _first_rung,
        _registered_is_logged,
        _skip_fits_mode,
        _rollback_has_checkpoints,
    ):
        try:
            yield from check(get)
        except Unknown:
            continue


def _every_worker_has_a_group(get: Lookup) -> Iterator[Finding]:
    batch, group, workers = get("train.batch_size"), get("train.group_size"), get("scaling.num_workers")
    groups = -(-batch // group)
    if groups >= workers:
        return
    if batch < workers:
        remedy = f"set batch_size to at least {workers}"
    else:
        remedy = f"set group_size to {at_most(batch // workers)}, or batch_size to {workers * group} or more"
    yield (
        "train.batch_size",
        f"{plural(batch, 'sample')} in groups of {group} (group_size) make {plural(groups, 'group')}, "
        f"too few for {plural(workers, 'worker')}: {remedy}",
    )


def _batch_norm_has_samples(get: Lookup) -> Iterator[Finding]:
    alone = [path for path in ("train.batch_size", "train.group_size") if get(path) == 1]
    if alone and any(component_of(layer) is BatchNorm for layer in all_layers(get("model.layers"))):
        for path in alone:
            yield path, "batch_norm has nothing to average in groups of one sample: set it to 2 or more"


MODE_OPTIONS = {
    "backup_workers": {"backup": True},
    "max_staleness": {"ssp": True},
    "local_steps": {"local": True, "diloco": False},
    "outer_learning_rate": {"local": False, "diloco": False},
    "outer_momentum": {"local": False, "diloco": False},
    "outer_nesterov": {"local": False, "diloco": False},
}
"""The modes that each option of the parameter server belongs to, and whether they need it."""
OF_ALL_SHARES = ("sync", "local", "diloco")
"""Modes whose updates wait for the gradients of all shares, so that a worker can compute several."""
OF_WHOLE_TABLES = ("local", "diloco")
"""Modes whose gradients of tables do not come by rows."""


def _mode_options(get: Lookup) -> Iterator[Finding]:
    mode = get("parameter_server.mode")
    for option, owners in MODE_OPTIONS.items():
        path = f"parameter_server.{option}"
        value = get(path)
        if value is not None and mode not in owners:
            those = " or ".join(owners)
            yield path, f"belongs to mode {those}, not {mode}: remove it, or set parameter_server.mode={those}"
        elif value is None and owners.get(mode):
            yield "parameter_server.mode", f"{mode} needs {option}: set {path}"
    momentum = get("parameter_server.outer_momentum")
    if get("parameter_server.outer_nesterov") and (momentum == 0 or (momentum is None and mode == "local")):
        yield "parameter_server.outer_nesterov", "needs parameter_server.outer_momentum: set it above 0, such as 0.9"


def _min_workers_fit(get: Lookup) -> Iterator[Finding]:
    least, workers = get("scaling.min_workers"), get("scaling.num_workers")
    if least is None:
        return
    path = "scaling.min_workers"
    if workers == 0:
        yield path, f"there are no workers (scaling.num_workers is 0): remove it, or set num_workers to {least} or more"
    elif least > workers:
        yield path, f"must be at most scaling.num_workers ({workers}), got {least}"
    else:
        yield from _of_all_shares(get, path)


def _replacement_fits(get: Lookup) -> Iterator[Finding]:
    for path in ("failure.spare_workers", "failure.hang_seconds"):
        if get(path):
            yield from _of_all_shares(get, path)


def _of_all_shares(get: Lookup, path: str) -> Iterator[Finding]:
    """What is only where shares are computed by any worker."""
    if get("parameter_server.mode") not in OF_ALL_SHARES or get("scaling.servers_per_node") != "auto":
        where = " or ".join(OF_ALL_SHARES)
        yield path, f"is for parameter_server.mode={where} with scaling.servers_per_node=auto: remove it, or set these"


def _lazy_fits_mode(get: Lookup) -> Iterator[Finding]:
    mode = get("parameter_server.mode")
    if mode in OF_WHOLE_TABLES and getattr(get("train.optimizer"), "lazy", False):
        yield (
            "train.optimizer.lazy",
            f"does nothing in mode {mode}, whose workers update all vectors by themselves: remove it, or set "
            "parameter_server.mode=sync",
        )


def _top_k_fraction(get: Lookup) -> Iterator[Finding]:
    compression, fraction = get("parameter_server.compression"), get("parameter_server.top_k_fraction")
    if compression == "top_k" and not fraction:
        yield "parameter_server.compression", "top_k needs a fraction above 0: set parameter_server.top_k_fraction"
    elif compression != "top_k" and fraction is not None:
        yield (
            "parameter_server.top_k_fraction",
            f"belongs to compression top_k, not {compression}: remove it, or set parameter_server.compression=top_k",
        )


def _backups_leave_a_worker(get: Lookup) -> Iterator[Finding]:
    backups, workers = get("parameter_server.backup_workers"), get("scaling.num_workers")
    if backups is None or backups < workers:
        return
    if workers < 2:
        wrong = f"needs {backups + 1} workers or more, and scaling.num_workers is {workers}"
        problem = f"{wrong}: raise that, or remove it with parameter_server.mode=backup"
    else:
        problem = (
            f"must be less than scaling.num_workers ({workers}), got {backups}: an update would wait for no worker"
        )
    yield "parameter_server.backup_workers", problem


def _loss_fits_task(get: Lookup) -> Iterator[Finding]:
    loss, task = get("loss"), get("data.task")
    wanted = loss_task(loss)
    if task and wanted and task != wanted:
        yield "loss.type", f"{loss.type} is for {wanted}, but the data's task is {task}"


def _transform_fits_task(get: Lookup) -> Iterator[Finding]:
    transform = get("data.target.transform")
    if transform in LEAST and _task(get) == "classification":
        yield "data.target.transform", f"{transform} is for a regression, but the loss is for classes: remove it"


def _threshold_can_be_chosen(get: Lookup) -> Iterator[Finding]:
    threshold = get("decision.threshold")
    if threshold != 0.5 and _task(get) == "regression":
        yield "decision.threshold", "is for two classes, but the loss is for a regression: remove it"
    elif isinstance(threshold, ChosenThreshold) and get("data.split.validation") == 0:
        yield (
            "decision.threshold",
            f"to choose it by {threshold.by} needs a validation split: set data.split.validation above 0, or give a "
            "number",
        )


def loss_task(loss: Any) -> Task | None:
    """What kind of problem the loss is for; None for the user's own."""
    return getattr(component_of(loss), "kind", None)


def is_of_sequences(loss: Any) -> bool:
    """Whether the loss is for sequences of labels; False for the user's own, of which nobody knows."""
    return getattr(component_of(loss), "activation", None) == "ctc"


def _task(get: Lookup) -> Task | None:
    """The task as far as the configuration tells: by its loss, else by its data."""
    task: Task | None = loss_task(get("loss")) or get("data.task")
    return task


def _metrics_fit_loss(get: Lookup) -> Iterator[Finding]:
    task = _task(get)
    for index, name in enumerate(get("metrics")):
        if task and metric_task(name) != task:
            yield f"metrics.{index}", f"{name} is for {metric_task(name)}, but the loss is for {task}"
        elif loss_task(get("loss")) and (misfit := metric_misfit(name, is_of_sequences(get("loss")))):
            yield f"metrics.{index}", misfit


def _check_monitor(get: Lookup, path: str, monitor: str, in_use: bool) -> Iterator[Finding]:
    task = _task(get)
    tasks: tuple[Task, ...] = (task,) if task else ("classification", "regression")
    sequences = is_of_sequences(get("loss"))
    metrics = [name for task in tasks for name in metrics_or_default(get("metrics"), task, sequences)]
    allowed = list(dict.fromkeys(monitor_names(metrics)))
    if monitor not in allowed:
        guess = did_you_mean(monitor, allowed)
        yield path, f"unknown monitor {monitor!r}{guess} (allowed with these metrics: {', '.join(allowed)})"
    elif in_use and monitor.startswith("val_") and get("data.split.validation") == 0:
        remedy = "set data.split.validation above 0, or monitor train_loss"
        yield path, f"{monitor} needs a validation split: {remedy}"


def _stop_monitor(get: Lookup) -> Iterator[Finding]:
    in_use = get("train.stop.patience") is not None or get("train.stop.target") is not None
    yield from _check_monitor(get, "train.stop.monitor", get("train.stop.monitor"), in_use)


def _checkpoint_monitor(get: Lookup) -> Iterator[Finding]:
    yield from _check_monitor(get, "checkpoint.monitor", get("checkpoint.monitor"), in_use=True)


def _plateau_monitor(get: Lookup) -> Iterator[Finding]:
    schedule = get("train.schedule")
    if component_of(schedule) is ReduceOnPlateau:
        yield from _check_monitor(get, "train.schedule.monitor", schedule.monitor, in_use=True)


def _plateau_before_stop(get: Lookup) -> Iterator[Finding]:
    schedule, patience = get("train.schedule"), get("train.stop.patience")
    if (
        component_of(schedule) is ReduceOnPlateau
        and patience is not None
        and schedule.monitor == get("train.stop.monitor")
        and schedule.patience + 1 >= patience
    ):
        yield (
            "train.schedule.patience",
            f"the learning rate falls after {schedule.patience + 1} epochs without improvement, but training "
            f"stops after {patience}: set train.stop.patience to at least {schedule.patience + 2}",
        )


def _sweep_metric(get: Lookup) -> Iterator[Finding]:
    if sweep := get("sweep"):
        yield from _check_monitor(get, "sweep.metric", sweep.metric, in_use=True)


def _first_rung(get: Lookup) -> Iterator[Finding]:
    sweep, epochs = get("sweep"), get("train.epochs")
    grace = sweep.scheduler_options.grace_period if sweep else None
    if grace and grace >= epochs:
        yield (
            "sweep.scheduler",
            f"a grace_period of {grace} leaves nothing to give up in {plural(epochs, 'epoch')}: "
            "lower it, or raise train.epochs",
        )


def _registered_is_logged(get: Lookup) -> Iterator[Finding]:
    if get("tracking.registered_model") and not get("tracking.log_model"):
        yield "tracking.registered_model", "needs the model in MLflow: set tracking.log_model to true, or remove it"


def _skip_fits_mode(get: Lookup) -> Iterator[Finding]:
    mode = get("parameter_server.mode")
    if get("failure.non_finite") == "skip" and mode in ("ssp", "async"):
        yield (
            "failure.non_finite",
            f"mode {mode} has other updates under way, and none of them can be skipped alone: set it to rollback or "
            "stop, or parameter_server.mode=sync",
        )


def _rollback_has_checkpoints(get: Lookup) -> Iterator[Finding]:
    every = get("checkpoint.every_epochs") or get("checkpoint.every_steps")
    if get("failure.non_finite") == "rollback" and every is None:
        yield (
            "failure.non_finite",
            "rollback has nothing to go back to: set checkpoint.every_epochs or checkpoint.every_steps",
        )


def _misspelt(key: str, data: Collection[Any], allowed: Collection[str]) -> bool:
    """Whether a key that is not there may be what one that is not allowed was meant for."""
    return any(nearest(str(name), allowed) in (key, None) for name in data if name not in allowed)


def lookup_in(model: type[Section], data: Any) -> Lookup:
    """The lookup in raw data for `model` that may be wrong elsewhere."""

    def get(path: str) -> Any:
        value, owner = data, model
        for key in path.split("."):
            if isinstance(value, dict) and key not in value and _misspelt(key, value, owner.model_fields):
                raise Unknown
            field = owner.model_fields[key]
            default = field.get_default(call_default_factory=True, validated_data={})
            value = value.get(key, default) if isinstance(value, dict) else getattr(value, key, None)
            if value is None and is_optional_section(field):
                value = default
            annotation: Any = annotated(field)
            owner = annotation
        try:
            return TypeAdapter(annotation).validate_python(value)
        except ValidationError as error:
            raise Unknown from error

    return get
