"""`evaluate` and `predict`: a saved model on other data."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dist_bp.cli.options import AsJson, TrustCode, text_stream

if TYPE_CHECKING:
    from dist_bp.config import JobConfig
    from dist_bp.serve import SavedModel

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A checkpoint, a run's folder or id, or an MLflow URI such as models:/m-1234."
    ),
]
JobFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="A job that says where data, runs and MLflow are now, if they moved."
    ),
]


def evaluate(
    model: ModelName,
    data: Annotated[
        str | None, typer.Option(metavar="FILE", help="csv, parquet, npy, npz or idx, with targets.")
    ] = None,
    targets: Annotated[str | None, typer.Option(metavar="FILE", help="The targets of a .npy or idx file.")] = None,
    split: Annotated[str, typer.Option(help="Without --data: this split of the job's own data.")] = "test",
    config: JobFile = None,
    trust_code: TrustCode = False,
    as_json: AsJson = False,
) -> None:
    """Measure a model on a file, or on a split of the data it was trained on."""
    from dist_bp.serve import evaluate_split

    with opened(model, config, trust_code) as (saved, moved):
        if data is None:
            what = f"{split} split"
            samples, scores = evaluate_split(saved, split, moved, trust_code)
        else:
            what = data
            samples, scores = _evaluate_file(saved, data, targets)
    _print_table({"model": model, "step": f"{saved.step:,}", "data": f"{what}, {samples:,} samples"}, scores, as_json)
    if as_json:
        from dist_bp.train.result import finite

        facts = {"model": model, "step": saved.step, "data": what, "samples": samples, "metrics": finite(scores)}
        print(json.dumps(facts))


def predict(
    model: ModelName,
    input: Annotated[str, typer.Option(metavar="FILE", help="csv, parquet, npy, npz or idx.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="csv, parquet, or npy with predictions alone.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if it exists.")] = False,
    config: JobFile = None,
    trust_code: TrustCode = False,
) -> None:
    """Predict a file of raw rows, block by block."""
    from dist_bp.errors import DataError
    from dist_bp.serve.files import prediction_file, read_blocks

    rows = 0
    with (
        opened(model, config, trust_code) as (saved, _),
        prediction_file(output, force, saved.pipeline.classes) as write,
    ):
        for block in read_blocks(input, saved.pipeline, **_reading(saved)):
            try:
                write(saved.predict(block))
            except DataError as error:
                place = [f"{input}: rows are counted from row {rows} here"] if rows else []
                raise DataError([*error.problems, *place]) from error
            rows += len(block)
        if not rows:
            raise DataError(f"data file {input!r} has no rows")
    print(f"{rows:,} predictions written to {output}")


@contextmanager
def opened(name: str, config: Path | None, trust_code: bool = False) -> "Iterator[tuple[SavedModel, JobConfig | None]]":
    """The model called `name`, and the configuration of the file `config`."""
    from tempfile import TemporaryDirectory

    from dist_bp.config import load_config
    from dist_bp.config.run import CheckpointConfig, TrackingConfig
    from dist_bp.serve import SavedModel, find_model

    moved = load_config(config, own_code=False) if config else None
    checkpoints = moved.checkpoint if moved else CheckpointConfig()
    tracking = moved.tracking if moved else TrackingConfig()
    with TemporaryDirectory() as folder:

        def download(uri: str) -> Path:
            from dist_bp.track.mlflow_models import download_model

            return download_model(uri, tracking.tracking_uri, Path(folder))

        yield SavedModel.load(find_model(name, Path(checkpoints.directory), download), trust_code), moved


def _evaluate_file(saved: "SavedModel", data: str, targets: str | None) -> tuple[int, dict[str, float]]:
    from dist_bp.data import read_inputs
    from dist_bp.errors import DataError

    samples = read_inputs(data, saved.pipeline, labels=targets, **_reading(saved))
    if samples.targets is None:
        column = saved.pipeline.targets.column
        raise DataError(
            f"data file {data!r} has no targets: "
            + (f"it lacks the column {column!r}" if column else "name their file with --targets")
        )
    return len(samples.inputs), saved.evaluate(samples.inputs, samples.targets)


def _reading(saved: "SavedModel") -> dict[str, str]:
    """How the job's own data was read."""
    source = saved.config.data.source
    options = {"csv": ("separator",), "npz": ("inputs", "targets")}.get(source.type, ())
    return {name: getattr(source, name) for name in options}


def _print_table(facts: dict[str, str], scores: dict[str, float], as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in {**facts, **{name: f"{score:.4f}" for name, score in scores.items()}}.items():
        table.add_row(name, value)
    Console(file=text_stream(as_json)).print(table)
