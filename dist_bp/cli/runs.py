"""`runs list|show|compare|best|replay`: what was trained, read back from MLflow."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dist_bp.cli.options import AsJson, Quiet, text_stream
from dist_bp.errors import UserError
from dist_bp.typed import command, option
from dist_bp.types import Direction

if TYPE_CHECKING:
    from dist_bp.track.mlflow_reader import RunReader, Sort
    from dist_bp.track.runs import ModelRecord, RunRecord

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A job: its store and its experiment alone.")
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        metavar="URI",
        help="The store; by default that of MLFLOW_TRACKING_URI, or sqlite:///mlflow.db.",
    ),
]
Experiment = Annotated[str | None, typer.Option("--experiment", metavar="NAME", help="Only runs of this experiment.")]
Filter = Annotated[
    str,
    typer.Option(
        "--filter", metavar="TEXT", help="As in MLflow: 'metrics.val_accuracy > 0.9 and params.seed = \"7\"'."
    ),
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the beginning of it, or its name.")]


def list_runs(
    config: Config = None,
    tracking_uri: TrackingUri = None,
    experiment: Experiment = None,
    filter_text: Filter = "",
    sort: Annotated[
        str | None, typer.Option(metavar="METRIC[:asc|desc]", help="Best first by a metric, or as said.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="At most so many runs, and those they are nested in.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest runs, or the best: status, duration and key metrics; nested runs below theirs."""
    from dist_bp.cli.runs_display import print_runs

    with _reader(config, tracking_uri, experiment) as reader:
        order = _sort(reader, sort) if sort else None
        runs = reader.with_parents(reader.runs(filter_text, order, limit))
    print_runs(runs, order.metric if order else None, text_stream(as_json))
    if as_json:
        print(json.dumps({"runs": [_facts(run) for run in runs]}))


def show(
    run: RunName,
    config: Config = None,
    tracking_uri: TrackingUri = None,
    experiment: Experiment = None,
    as_json: AsJson = False,
) -> None:
    """One run: metrics, models, artifacts, params, link."""
    from dist_bp.cli.runs_display import print_run

    with _reader(config, tracking_uri, experiment) as reader:
        found = reader.find(run)
        models = _models_of(reader, found)
        artifacts = reader.artifacts(found.run_id)
    print_run(found, models, artifacts, text_stream(as_json))
    if as_json:
        print(json.dumps(_facts(found) | {"models": [_model_facts(model) for model in models], "artifacts": artifacts}))


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Ids, beginnings of ids, or names.")],
    config: Config = None,
    tracking_uri: TrackingUri = None,
    experiment: Experiment = None,
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="The curves as PNG; an HTML page with everything beside it.")
    ] = Path("compare.png"),
    as_json: AsJson = False,
) -> None:
    """Runs side by side: metrics, the params that differ, and the curves as PNG and HTML."""
    from dist_bp.cli.runs_display import print_comparison
    from dist_bp.track import comparison
    from dist_bp.track.runs import differing_params, metric_rows
    from dist_bp.train.result import finite

    if output.suffix != ".png":
        raise UserError(f"--output {output}: the curves are drawn as PNG, so give a name that ends in .png")
    if len(runs) < 2:
        store = [*option("--config"), *option("--tracking-uri"), *option("--experiment")]
        listing = command("runs", "list", *store)
        raise UserError(f"compare needs at least two runs: name them by id or name, see {listing}")
    with _reader(config, tracking_uri, experiment) as reader:
        found = list({record.run_id: record for record in map(reader.find, runs)}.values())
        if len(found) < 2:
            raise UserError(f"these are all the same run, {found[0].run_id}: name another one too")
        histories = {
            metric: [reader.history(run.run_id, metric) for run in found] for metric in comparison.drawn_metrics(found)
        }
    figure = comparison.curves(found, histories)
    page = output.with_suffix(".html")
    try:
        figure.savefig(output, format="png")
        page.write_text(comparison.page(found, figure), encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output {output}: cannot be written: {error.strerror or error}") from error
    metrics, params = metric_rows(found), differing_params(found)
    print_comparison(found, metrics, params, [output, page], text_stream(as_json))
    if as_json:
        facts = {name: [None if v is None else finite({name: v})[name] for v in row] for name, row in metrics.items()}
        ids = [run.run_id for run in found]
        print(json.dumps({"runs": ids, "metrics": facts, "params": params, "png": str(output), "html": str(page)}))


def best(
    metric: Annotated[str, typer.Option("--metric", metavar="METRIC", help="As in YAML: val_accuracy.")],
    mode: Annotated[
        Direction | None, typer.Option(help="Whether less or more is better; by default told by the name.")
    ] = None,
    config: Config = None,
    tracking_uri: TrackingUri = None,
    experiment: Experiment = None,
    filter_text: Filter = "",
    as_json: AsJson = False,
) -> None:
    """The best run by a metric of its model, or where it has none of the best epoch, and how to use the model."""
    from dist_bp.cli.runs_display import print_best
    from dist_bp.track.names import tracked_mode

    with _reader(config, tracking_uri, experiment) as reader:
        name = reader.metric_named(metric)
        sign = 1 if (mode or tracked_mode(name)) == "min" else -1
        found, value, model = _best(reader, name, sign, filter_text)
    options = ["--config", str(config)] if config else []
    print_best(found, name, value, model, options, text_stream(as_json))
    if as_json:
        uri = model.uri if model else None
        print(json.dumps({"run_id": found.run_id, "metric": name, "value": value, "model_uri": uri, "url": found.url}))


def replay(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN ...]", help="Runs of processes on other hosts that have ended, by id, too."),
    ] = None,
    config: Config = None,
    tracking_uri: TrackingUri = None,
    quiet: Quiet = False,
) -> None:
    """Deliver what waits in this folder: what MLflow could not take when a run ended, or its process was killed."""
    from dist_bp.config import load_config
    from dist_bp.track.mlflow_replay import deliver_all
    from dist_bp.track.waiting import SPOOLS

    if config and tracking_uri is None:
        tracking_uri = load_config(config, own_code=False).tracking.tracking_uri
    line = ""
    for line in deliver_all(SPOOLS, tracking_uri, runs or ()):
        if not quiet:
            print(line, flush=True)
    if not (line or quiet):
        print("nothing waits here")


def _best(
    reader: "RunReader", metric: str, sign: int, filter_text: str
) -> "tuple[RunRecord, float, ModelRecord | None]":
    """The run with the least signed value, that value, and its model: the final one, or else its best checkpoint.

    Of equal runs one with a model comes first: the best trial of a sweep has it in the parent run.
    """
    final, checkpoints = reader.models("name = 'model'"), reader.models("name = 'checkpoint'")
    candidates: list[tuple[float, bool, int, RunRecord, ModelRecord | None]] = []
    for place, run in enumerate(reader.runs(filter_text)):
        models = final.get(run.run_id, [])[:1] or checkpoints.get(run.run_id, [])
        measured = [(sign * value, model) for model in models if (value := model.metric(metric)) is not None]
        signed, model = min(measured, key=itemgetter(0), default=(None, None))
        if signed is None and metric in run.metrics:
            signed = sign * run.metrics[metric]
        if signed is not None and not math.isnan(signed):
            candidates.append((signed, model is None, place, run, model))
    if not candidates:
        raise UserError(f"no run has a value of {metric}{' and matches the filter' if filter_text else ''}")
    value, *_, run, model = min(candidates, key=lambda candidate: candidate[:3])
    return run, sign * value, model


@contextmanager
def _reader(config: Path | None, tracking_uri: str | None, experiment: str | None) -> "Iterator[RunReader]":
    from dist_bp.config import load_config
    from dist_bp.config.run import TrackingConfig
    from dist_bp.track.mlflow_reader import opened_reader

    job = load_config(config, own_code=False) if config else None
    tracking = job.tracking if job else TrackingConfig()
    if job and experiment is None:
        experiment = tracking.experiment or job.name

    def note(line: str) -> None:
        print(f"note: {line}", file=sys.stderr)

    with opened_reader(tracking_uri or tracking.tracking_uri, experiment, note) as reader:
        yield reader


def _sort(reader: "RunReader", text: str) -> "Sort":
    from dist_bp.track.mlflow_reader import Sort
    from dist_bp.track.names import tracked_mode

    name, _, order = text.partition(":")
    if order not in ("", "asc", "desc"):
        raise UserError(f"--sort {text}: the order is asc or desc, not {order!r}")
    metric = reader.metric_named(name)
    return Sort(metric, order == "asc" if order else tracked_mode(metric) == "min")


def _models_of(reader: "RunReader", run: "RunRecord") -> "list[ModelRecord]":
    models = reader.models(f"source_run_id = '{run.run_id}'").get(run.run_id, [])
    return sorted(models, key=lambda model: (model.name != "model", model.step or 0))


def _facts(run: "RunRecord") -> dict[str, Any]:
    """A run for JSON; times in seconds since 1970."""
    from dataclasses import asdict

    from dist_bp.train.result import finite

    return asdict(run) | {"metrics": finite(run.metrics), "seconds": run.seconds()}


def _model_facts(model: "ModelRecord") -> dict[str, Any]:
    from dataclasses import asdict

    from dist_bp.train.result import finite

    return asdict(model) | {"metrics": finite(model.metrics)}
