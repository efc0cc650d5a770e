"""The description of a sweep's parent run in markdown, as its page in MLflow shows it."""

from collections.abc import Mapping, Sequence

from dist_bp.runtime.ray_job import again
from dist_bp.sweep import table
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.trial import Trial
from dist_bp.train.describe import figure, page

BEST_CONFIG = "best.yaml"
REPORT = "report.html"
LISTED = 10
"""Trials in a description."""


def describe_begin(job: SweepJob, name: str) -> str:
    """What is varied."""
    return page([f"**Sweep {name}** of {job.config.name}", _facts(job)])


def describe_end(job: SweepJob, name: str, run_id: str, status: str, why: str) -> str:
    """Why a sweep ended before its time, and how to go on."""
    ended = f"**Sweep {name}** of {job.config.name}: {status.lower()}, {why}"
    return page([ended, f"{again(name)} goes on.", _facts(job)])


def describe_result(job: SweepJob, name: str, order: Sequence[Trial], figures: Mapping[str, str], run_id: str) -> str:
    """What came out: the best of the ranked trials, and how they did; `figures` are artifacts by title."""
    metric, keys, best = job.metric, job.keys, order[0]
    found = f"{metric} {table.shown(best.score)}, trial {best.number} of {len(order)}"
    title = f"**Sweep {name}** of {job.config.name}: {found}"
    names = [*table.HEAD, metric, *keys, "epochs"]
    ranking = table.as_markdown(table.rows(order[:LISTED], metric, keys), names)
    drawn = [figure(text, path, run_id) for text, path in figures.items()]
    where = (
        f"Among the artifacts are the best configuration ({BEST_CONFIG}), the whole ranking (trials.html) and plots to "
        f"explore ({REPORT})."
    )
    return page([title, ranking, *drawn, _facts(job), where])


def _facts(job: SweepJob) -> str:
    """What is varied, and how."""
    sweep = job.sweep
    lines = [
        f"`{key}`: {space.type}, {', '.join(f'{option} {value}' for option, value in space if option != 'type')}"
        for key, space in sweep.parameters.items()
    ]
    lines.append(f"search {sweep.search.type}, scheduler {sweep.scheduler.type}")
    return "\n".join(f"- {line}" for line in lines)
