"""The description of a sweep's parent run in markdown, as its page in MLflow shows it."""

from collections.abc import Mapping, Sequence

from dist_bp.config import JobConfig
from dist_bp.sweep import table
from dist_bp.sweep.trial import Trial
from dist_bp.train.describe import figure, page

BEST_CONFIG = "best.yaml"
LISTED = 10
"""Trials in a description."""


def describe_begin(config: JobConfig, name: str) -> str:
    """What is varied."""
    return page([f"**Sweep {name}** of {config.name}", _facts(config)])


def describe_end(config: JobConfig, name: str, run_id: str, status: str, why: str) -> str:
    """Why a sweep ended before its time, and how to go on."""
    ended = f"**Sweep {name}** of {config.name}: {status.lower()}, {why}"
    return page([ended, f"`dist-bp sweep CONFIG --resume {name}` goes on.", _facts(config)])


def describe_result(
    config: JobConfig, name: str, order: Sequence[Trial], figures: Mapping[str, str], run_id: str
) -> str:
    """What came out: the best of the ranked trials, and how they did; `figures` are artifacts by title."""
    assert config.sweep is not None
    metric, keys, best = config.sweep.metric, list(config.sweep.parameters), order[0]
    title = (
        f"**Sweep {name}** of {config.name}: {metric} {table.shown(best.score)}, trial {best.number} of {len(order)}"
    )
    names = [*table.HEAD, metric, *keys, "epochs"]
    ranking = table.as_markdown(table.rows(order[:LISTED], metric, keys), names)
    drawn = [figure(text, path, run_id) for text, path in figures.items()]
    where = f"Among the artifacts are the best configuration ({BEST_CONFIG}) and the whole ranking (trials.html)."
    return page([title, ranking, *drawn, _facts(config), where])


def _facts(config: JobConfig) -> str:
    """What is varied, and how."""
    sweep = config.sweep
    assert sweep is not None
    lines = [
        f"`{key}`: {space.type}, {', '.join(f'{option} {value}' for option, value in space if option != 'type')}"
        for key, space in sweep.parameters.items()
    ]
    lines.append(f"search {sweep.search_options.type}, scheduler {sweep.scheduler_options.type}")
    return "\n".join(f"- {line}" for line in lines)
