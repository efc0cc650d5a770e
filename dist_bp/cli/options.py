"""Arguments and options that several commands have, and where they print."""

import sys
from typing import Annotated, TextIO

import typer

ConfigPath = Annotated[str, typer.Argument(metavar="CONFIG", help="The YAML file of the job.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the file's: train.epochs=20."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Last line of standard output: one JSON object; the rest on standard error.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and the JSON result.")]
TrustCode = Annotated[
    bool, typer.Option("--trust-code", help="Import and run code that the model names and is not of dist_bp.")
]


def text_stream(as_json: bool) -> TextIO:
    """Where a command prints for people: not where its JSON goes."""
    return sys.stderr if as_json else sys.stdout
