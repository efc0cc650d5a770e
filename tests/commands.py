"""Command lines in this process, for tests to which a process of its own does not matter: its start takes seconds."""

import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from dist_bp.cli.main import main


def run_here(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command with the Ray of the file's tests, if there is one, and undoes what it changes in this process."""
    out, error, code = StringIO(), StringIO(), 0
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    path = [*sys.path]
    try:
        with redirect_stdout(out), redirect_stderr(error):
            main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.path[:] = path
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), error.getvalue())
