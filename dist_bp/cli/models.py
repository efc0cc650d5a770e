"""`evaluate` and `predict`: a saved model on other data."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from dist_bp.cli.options import AsJson, TrustCode, text_stream
from dist_bp.messages import plural

if TYPE_CHECKING:
    from dist_bp.config import JobConfig
    from dist_bp.data.media.new import NewFiles
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

CsvOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--csv", metavar="KEY=VALUE", help="How a text file is written, where other than in training: 'decimal=,'."
    ),
]

UnreadableFiles = Annotated[
    Literal["error", "skip"],
    typer.Option(
        "--unreadable",
        help="Files of images or sounds that cannot be read: refuse them all, or leave them out and say so.",
    ),
]
SoundRate = Annotated[
    int | None,
    typer.Option(
        "--rate",
        min=1,
        help="Samples a second of sounds that are arrays (.npy, .npz); not given: as data.source.rate said.",
    ),
]


def evaluate(
    model: ModelName,
    folder: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="The same as --data.", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="csv, parquet, jsonl, npy, npz or idx, with targets; lines of a label and a text, or a text for a "
            "language model; texts, images or sounds in a folder of each class.",
        ),
    ] = None,
    targets: Annotated[
        str | None, typer.Option(metavar="FILE", help="A .npy or idx file of the targets, where FILE has none.")
    ] = None,
    csv: CsvOptions = None,
    split: Annotated[str, typer.Option(help="Without --data: this split of the job's own data.")] = "test",
    unreadable: UnreadableFiles = "error",
    rate: SoundRate = None,
    config: JobFile = None,
    trust_code: TrustCode = False,
    as_json: AsJson = False,
) -> None:
    """Measure a model on a file, or on a split of the data it was trained on."""
    from dist_bp.errors import UserError
    from dist_bp.serve import evaluate_split
    from dist_bp.serve.files import evaluate_file

    if folder and data:
        raise UserError(f"both {folder!r} and --data {data!r} are given: give one")
    data, notes = data or folder, Notes()
    if data is None and unreadable == "skip":
        raise UserError("--unreadable skip is for --data: a split has the files that training had")
    with opened(model, config, trust_code) as (saved, moved), new_files(saved, unreadable, notes, rate) as new:
        if data is None:
            what = f"{split} split"
            samples, scores = evaluate_split(saved, split, moved, trust_code, new.decoding)
        else:
            what = data
            samples, scores = evaluate_file(saved, data, targets, csv or (), notes, new)
    facts = {"model": model, "step": f"{saved.step:,}", "data": f"{what}, {plural(samples, 'sample')}"}
    if saved.decides:
        facts["decision"] = "{!r} above a probability of {:.4g}".format(*saved.decides)
    _print_table(facts, scores, as_json)
    if as_json:
        from dist_bp.train.result import finite

        decision = dict(zip(("positive", "threshold"), saved.decides, strict=True)) if saved.decides else None
        measured = {
            "data": what,
            "samples": samples,
            "decision": decision,
            "metrics": finite(scores),
            "notes": notes.lines,
        }
        print(json.dumps({"model": model, "step": saved.step, **measured}))


def predict(
    model: ModelName,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE...]",
            help="csv, parquet, jsonl, npy, npz or idx; lines of text (.txt); texts, images, sounds, folders of them, "
            "or patterns in quotes.",
            show_default=False,
        ),
    ] = None,
    input: Annotated[str | None, typer.Option(metavar="FILE", help="The same as FILE.")] = None,
    text: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A text itself, for a model of text; may be repeated.")
    ] = None,
    labelled: Annotated[
        bool, typer.Option("--labelled", help="Lines of text begin with labels, as in training: leave them out.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="csv, parquet, or npy with predictions alone; not given: printed."),
    ] = None,
    csv: CsvOptions = None,
    unreadable: UnreadableFiles = "error",
    rate: SoundRate = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if it exists.")] = False,
    config: JobFile = None,
    trust_code: TrustCode = False,
) -> None:
    """Predict files of raw rows, texts, images or sounds, block by block."""
    from dist_bp.errors import UserError
    from dist_bp.serve.files import predict_files, predict_texts, prediction_file, printed_predictions, reader_of

    names, absent = [*(files or ()), *([input] if input else [])], None
    if not names and not text:
        raise UserError("there is nothing to predict: name a file after the model, or with --input")
    if names and text:
        raise UserError(f"both --text and the file {names[0]!r} are given: give one")
    if text and labelled:
        raise UserError("--labelled is for files: a --text is taken as it is")
    if unreadable == "skip" and output and output.suffix == ".npy":
        raise UserError(
            f"output {output} has predictions alone, and would not say which files --unreadable skip has left out: "
            "name a .csv or .parquet file"
        )
    notes, others = Notes(), None if output else sys.stdout
    with opened(model, config, trust_code) as (saved, _), new_files(saved, unreadable, notes, rate, others) as new:
        ids = reader_of(saved).id_column
        place = prediction_file(output, force, saved.pipeline.classes, ids) if output else printed_predictions()
        with place as write:
            if text:
                rows = predict_texts(saved, text, write, notes)
            else:
                rows, absent = predict_files(saved, names, write, csv or (), notes, new, labelled)
    told = f"; {', '.join(names)} has no column {absent!r}" if absent else ""
    if output or absent:
        where = f"{plural(rows, 'prediction')} written to {output}" if output else plural(rows, "prediction")
        print(where + told, file=sys.stdout if output else sys.stderr)


class Notes:
    """Lines on what was measured or predicted, beside the figures: on standard error."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        print(f"note: {line}", file=sys.stderr)


@contextmanager
def new_files(
    saved: "SavedModel",
    unreadable: Literal["error", "skip"],
    note: Notes,
    rate: int | None = None,
    others: TextIO | None = None,
) -> "Iterator[NewFiles]":
    """How files of images or sounds are read; where standard error and `others`, which is written to meanwhile, are not
    the same terminal, it shows how far that is. Raises UserError where the model takes none and they are spoken of."""
    from dist_bp.cli.decoding_display import watch_decoding
    from dist_bp.data.media.new import NewFiles
    from dist_bp.errors import UserError
    from dist_bp.media.decoding import Decoding

    if unreadable == "skip" and saved.pipeline.decoder is None:
        raise UserError("--unreadable skip is for models of images or sounds")
    if rate is not None and (saved.pipeline.decoder is None or saved.pipeline.decoder.many != "sounds"):
        raise UserError("--rate is for models of sounds")
    with watch_decoding(sys.stderr, others) as progress:
        yield NewFiles(unreadable, Decoding(progress), note, rate)


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


def _print_table(facts: dict[str, str], scores: dict[str, float], as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in {**facts, **{name: f"{score:.4f}" for name, score in scores.items()}}.items():
        table.add_row(name, value)
    Console(file=text_stream(as_json)).print(table)
