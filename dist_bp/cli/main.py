"""`dist-bp`: the table of commands, and what a command's end looks like.

Exit codes: 0 done, 1 the run failed, 2 the user's input is wrong, 130 interrupted.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dist_bp.cli.config_commands import render, schema, validate
from dist_bp.cli.models import evaluate, predict
from dist_bp.cli.plan import plan
from dist_bp.cli.runs import best, compare, list_runs, show
from dist_bp.cli.sweep import sweep
from dist_bp.cli.train import train
from dist_bp.cli.ui import ui
from dist_bp.errors import DistBpError

COMMANDS: dict[str, Callable[..., Any]] = {
    "train": train,
    "sweep": sweep,
    "plan": plan,
    "validate": validate,
    "render": render,
    "schema": schema,
    "evaluate": evaluate,
    "predict": predict,
    "ui": ui,
}

GROUPS: dict[str, dict[str, Callable[..., Any]]] = {
    "runs": {"list": list_runs, "show": show, "compare": compare, "best": best},
}
"""Commands of two words."""

HELP = {"runs": "Review what was trained: list, show, compare, best."}

LOGS = Path(".dist_bp/logs")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command line (by default the process's own). Raises SystemExit with the exit code."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that no file here hides a library; for `module:Class` of the user's own
    try:
        _app()(None if arguments is None else list(arguments), prog_name="dist-bp")
    except DistBpError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        where = f"{error.__notes__[0]}: " if getattr(error, "__notes__", None) else ""
        print(f"error: {where}{_root_cause(error)} ({_write_log()})", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _app() -> typer.Typer:
    # Plain help and tracebacks: importing rich would double the time to answer.
    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(_options)
    for name, command in COMMANDS.items():
        app.command(name)(command)
    for name, commands in GROUPS.items():
        group = typer.Typer(no_args_is_help=True, help=HELP[name])
        for verb, command in commands.items():
            group.command(verb)(command)
        app.add_typer(group, name=name)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"dist-bp {version('dist_bp')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Train neural networks by backpropagation on Ray, from one YAML file, tracked in MLflow."""


def _root_cause(error: BaseException) -> str:
    while error.__cause__:
        error = error.__cause__
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def _write_log() -> str:
    """Writes the traceback of the current exception to a file, and says where."""
    path = LOGS / f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        traceback.print_exc()
        return f"traceback above, {LOGS} cannot be written"
    return f"traceback in {path}"
