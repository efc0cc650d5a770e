"""A run's description in markdown, as its page in MLflow shows it."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from dist_bp.messages import plural
from dist_bp.runtime.ray_job import again, retyped
from dist_bp.track.port import SWEEP
from dist_bp.train.gallery import FILTERS_FIGURE, MISTAKES_FIGURE, SAMPLES_FIGURE
from dist_bp.train.outcome import MAX_SECONDS, Outcome
from dist_bp.train.recoveries import history
from dist_bp.train.setup import PreparedJob
from dist_bp.train.state import RunState
from dist_bp.train.telling import told_page
from dist_bp.types import Array

LOSS_FIGURE = "figures/loss.png"
CONFUSION_FIGURE = "figures/confusion_matrix.png"
FIGURES = {
    LOSS_FIGURE: "Loss of each epoch",
    CONFUSION_FIGURE: "Confusion matrix",
    SAMPLES_FIGURE: "Samples and what is predicted for them",
    MISTAKES_FIGURE: "The worst mistakes",
    FILTERS_FIGURE: "Filters of the first layer",
}
"""What the pictures of a run show, by their artifacts."""
SPACE = "&emsp;"  # MLflow sets columns without any


@dataclass(frozen=True)
class Report:
    """Metrics of the parameters that a run gives back, by monitor name; `arrays` has the confusion matrix, `remark`
    says so where the loss is worse than that of ignoring the inputs."""

    metrics: dict[str, float]
    arrays: Mapping[str, Array]
    remark: str | None = None


def describe_begin(state: RunState) -> str:
    """What is trained on what, and the texts that a language model has told after some epochs."""
    return page([_title(state.job), _facts(state), *told_page(state.texts)])


def describe_end(state: RunState, run_id: str, status: str, why: str) -> str:
    """Why a run ended before its time, how to go on, and the texts that it has told."""
    job, ended = state.job, f"**{status.capitalize()}**: {why}"
    on = _going_on(job, run_id, status)
    return page([_title(job), ended, _facts(state), on, *told_page(state.texts), _configuration(job)])


def _going_on(job: PreparedJob, run_id: str, status: str) -> str:
    """A trial goes on with its sweep, which does not try again what failed."""
    sweep = job.config.tracking.tags.get(SWEEP)
    if sweep and status == "FAILED":
        return "The sweep goes on without it."
    if sweep:
        own = Path(job.config.checkpoint.directory, "sweeps", sweep, "sweep.yaml")  # what the sweep was begun with
        command = f"`dist-bp {shlex.join(['sweep', str(own), '--resume', sweep])}`"
        return f"{command} goes on with the sweep, and with this trial from its last checkpoint, if it has one."
    command = again(run_id) if retyped() else f"`dist-bp train config.yaml --resume {run_id}`"
    return f"{command} goes on from its last checkpoint, if it has one."


def describe_result(outcome: Outcome, report: Report, pictures: Iterable[str], told: Sequence[str] = ()) -> str:
    """What came out: metrics, how training went, the pictures of these names, what is `told` of samples, how to repeat
    it."""
    state, best = outcome.state, outcome.snapshot.step
    kept = f", the parameters of step {best:,} kept as the best" if best != state.step else ""
    training = (
        f"- training: {outcome.reason} after {plural(state.epoch, 'epoch')}, "
        f"{plural(state.step, 'step')}, {state.seconds:.1f} s{kept}"
    )
    figures = [figure(FIGURES[name], name, state.run_id) for name in pictures]
    facts = f"{_facts(state)}\n{training}"
    remark = [report.remark] if report.remark else []
    return page(
        [
            _title(state.job),
            _table(report.metrics),
            *remark,
            facts,
            *figures,
            *told,
            *told_page(state.texts),
            _repeat(outcome),
        ]
    )


def page(paragraphs: list[str]) -> str:
    """The text of these paragraphs."""
    return "\n\n".join(paragraphs)


def _title(job: PreparedJob) -> str:
    source = job.config.data.source
    what = getattr(source, "name", None) or getattr(source, "path", None)
    return f"**{job.config.name}**: {job.config.loss.type} on {source.type} {what}".removesuffix(" None")


def _facts(state: RunState) -> str:
    job, course = state.job, state.course
    config, train = job.config, job.config.train
    layers = " → ".join(f"{layer.kind} {layer.output}" for layer in job.model.summary())
    sizes = ", ".join(f"{size:,} {name}" for name, size in job.splits.items())
    steps = ", ".join(step.type for step in config.data.preprocess)
    workers = config.scaling.num_workers
    place = f"{plural(workers, 'worker')}, mode {config.parameter_server.mode}" if workers else "one process"
    lines = [
        f"data: {sizes} samples{f'; {steps}' if steps else ''}",
        f"layers: {layers}; {job.model.layout.size:,} parameters, {config.model.dtype}",
        f"optimizer: {train.optimizer.type}, learning rate {train.optimizer.learning_rate:g}, "
        f"{train.schedule.type} schedule, batches of {train.batch_size}, {place}",
        *job.notes,
    ]
    if course.origin:
        lines.append(f"began with a checkpoint of another run: {course.origin}")
    lines += [f"resumed at step {step:,} with other settings: {text}" for step, text in course.texts().items()]
    if state.recoveries:
        lines.append(f"went on after {plural(len(state.recoveries), 'failure')}: {history(state.recoveries)}")
    return "\n".join(f"- {line}" for line in lines)


def _table(metrics: Mapping[str, float]) -> str:
    """A row for each metric, a column for each split."""
    splits = [split for split in ("train", "val", "test") if any(name.startswith(f"{split}_") for name in metrics)]
    names = dict.fromkeys(name.partition("_")[2] for name in metrics)
    rows = [["metric", *(SPACE + split for split in splits)], ["---", *["---:" for _ in splits]]]
    for name in names:
        values = [metrics.get(f"{split}_{name}") for split in splits]
        rows.append([name, *("" if value is None else f"{SPACE}{value:.4f}" for value in values)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def figure(title: str, path: str, run_id: str) -> str:
    """An artifact of the run; the address is relative to the page, so it holds for every server."""
    return f"![{title}](get-artifact?{urlencode({'path': path, 'run_uuid': run_id})})"


def _configuration(job: PreparedJob) -> str:
    sweep = job.config.tracking.tags.get(SWEEP)
    of_sweep = f"A trial of the sweep {sweep}. " if sweep else ""
    return f"{of_sweep}Among the artifacts is the whole configuration, `config.yaml`."


def _repeat(outcome: Outcome) -> str:
    """How to come by the same run again, as far as that is true."""
    job = outcome.state.job
    text = _configuration(job)
    if job.config.tracking.tags.get(SWEEP):
        return text
    if not outcome.state.course.told_by_configuration:
        return f"{text} It is that of the last part: training it anew does not repeat this run."
    timed = outcome.reason == MAX_SECONDS
    bits = ", bit for bit" if job.layout.mode.exact and not timed else ""
    until = " up to where the time ends it" if timed else ""
    return f"{text} `dist-bp train config.yaml` repeats this run{until}{bits}."
