"""`dist-bp`: the table of commands, and what a command's end looks like.

Exit codes: 0 done, 1 the run failed, 2 the user's input is wrong, 130 interrupted.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from dist_bp.cli import cluster, jobs
from dist_bp.cli.config_commands import render, schema, validate
from dist_bp.cli.ends import as_ctrl_c
from dist_bp.cli.generate import generate
from dist_bp.cli.models import evaluate, predict
from dist_bp.cli.plan import plan
from dist_bp.cli.runs import best, compare, list_runs, replay, show
from dist_bp.cli.submit import submit
from dist_bp.cli.surroundings import make_do
from dist_bp.cli.sweep import sweep
from dist_bp.cli.train import train
from dist_bp.cli.ui import ui
from dist_bp.cli.verify import verify
from dist_bp.errors import DistBpError, Interrupted, TrainingFailed
from dist_bp.messages import one_line
from dist_bp.plugins import told
from dist_bp.runtime.ray_job import announce_failure
from dist_bp.typed import remember

COMMANDS: dict[str, Callable[..., Any]] = {
    "train": train,
    "sweep": sweep,
    "plan": plan,
    "submit": submit,
    "validate": validate,
    "render": render,
    "schema": schema,
    "evaluate": evaluate,
    "predict": predict,
    "generate": generate,
    "verify": verify,
    "ui": ui,
}

GROUPS: dict[str, tuple[str, dict[str, Callable[..., Any]]]] = {
    "jobs": (
        "Submitted jobs.",
        {"list": jobs.list_jobs, "status": jobs.status, "logs": jobs.logs, "stop": jobs.stop},
    ),
    "cluster": ("A Ray head on this machine.", {"up": cluster.up, "status": cluster.status, "down": cluster.down}),
    "runs": (
        "Review what was trained.",
        {"list": list_runs, "show": show, "compare": compare, "best": best, "replay": replay},
    ),
}

LOGS = Path(".dist_bp/logs")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command line (by default the process's own). Raises SystemExit with the exit code."""
    remember(sys.argv[1:] if arguments is None else arguments)
    make_do()
    try:
        with as_ctrl_c():
            _run(arguments)
    except SystemExit as ended:
        calls = sys.modules.get("dist_bp.runtime.calls")
        if calls and (calls.CALLER.abandoned or calls.CALLER.busy):
            calls.leave(ended.code if isinstance(ended.code, int) else bool(ended.code))
        raise
    finally:
        remember(())


def _run(arguments: Sequence[str] | None) -> None:
    try:
        command_line()(None if arguments is None else list(arguments), prog_name="dist-bp")
    except DistBpError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        announce_failure(str(error))
        sys.exit(error.exit_code)
    except Exception as error:
        if isinstance(interrupt := _root_cause(error), KeyboardInterrupt):  # an import that it ended says so
            _end_interrupted(interrupt)
        where = f"{error.__notes__[0]}: " if getattr(error, "__notes__", None) else ""
        cause = f"{where}{one_line(_root_cause(error))}"
        print(f"error: {cause} ({_write_log()})", file=sys.stderr)
        announce_failure(cause)
        sys.exit(1)
    except KeyboardInterrupt as error:
        _end_interrupted(error)


def _end_interrupted(error: BaseException) -> NoReturn:
    if error.args:  # not Ctrl-C: whoever pressed it knows
        print(f"error: interrupted by {error}", file=sys.stderr)
    sys.exit(Interrupted.exit_code)


def command_line() -> typer.Typer:
    """All commands with their options."""
    # Plain help and tracebacks: importing rich would double the time to answer.
    app = _group(COMMANDS)
    app.callback()(_options)
    for name, (text, commands) in GROUPS.items():
        app.add_typer(_group(commands), name=name, help=text)
    return app


def _group(commands: dict[str, Callable[..., Any]]) -> typer.Typer:
    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
    for name, command in commands.items():
        app.command(name, short_help=_first_line(command))(_guarded(command))
    return app


def _first_line(command: Callable[..., Any]) -> str:
    """What the list of commands says of one: the whole sentence, which would be cut if it were not given as such."""
    return (command.__doc__ or "").partition("\n")[0]


def _guarded(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, which only ends by itself: `sys.exit(0)` of the user's code must not look like success."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt as error:
            _end_interrupted(error)
        except SystemExit as error:
            if isinstance(error.__context__, BrokenPipeError):  # so rich ends where nobody reads any more
                raise
            raise TrainingFailed(f"the command was ended from within: {told(error)}") from error

    return guarded


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


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__:
        error = error.__cause__
    return error


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
