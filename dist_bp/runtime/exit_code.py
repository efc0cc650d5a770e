"""The code that this process ends with, as it was given: at its end Python no longer tells."""

import builtins
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

_given: int | None = None
_watched = False


def watch() -> None:
    """Remembers from now on the code with which the main thread exits."""
    global _watched
    if _watched:
        return
    _watched = True
    for module, name in ((sys, "exit"), (builtins, "exit"), (builtins, "quit")):
        if function := getattr(module, name, None):
            setattr(module, name, _remembering(function))


def exit_code(otherwise: int) -> int:
    """1 where an error has ended this process, or the code given to `sys.exit` or `exit`, or else `otherwise`."""
    if hasattr(sys, "last_value"):
        return 1
    return otherwise if _given is None else _given


def _remembering(function: Callable[[Any], NoReturn]) -> Callable[[Any], NoReturn]:
    def leave(code: Any = None) -> NoReturn:
        global _given
        if threading.current_thread() is threading.main_thread():
            _given = code if isinstance(code, int) else int(code is not None)
        function(code)

    return leave
