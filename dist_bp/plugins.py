"""Objects by name: `module:Name` of layers, losses and data sources, the user's own too."""

import importlib
import inspect
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import extract_tb
from types import TracebackType
from typing import Any

from dist_bp.errors import ConfigError, DistBpError
from dist_bp.messages import one_line

NOT_THE_USERS = (os.path.realpath(sysconfig.get_path("stdlib")), os.path.dirname(os.path.realpath(__file__)))
"""Folders of the standard library and of dist_bp."""


def import_own(name: str) -> Any:
    """The object of the user's own at `module:Name`, from the environment or the working directory.

    Raises ConfigError where there is none, or the module raises anything.
    """
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that no file here hides a library
    with own_words(name, "importing it"):
        return import_object(name)


def import_function(name: str) -> Callable[..., Any]:
    """The function of the user's own at `module:name`. Raises ConfigError where there is none."""
    found = import_own(name)
    if not inspect.isfunction(found):
        raise ConfigError(f"{name}: must be a function, written in Python")
    return found


def import_object(name: str) -> Any:
    """The object at `module:Name`; raises ConfigError where there is none. What the module itself raises passes."""
    path, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{name}: there is no module {error.name!r} in the working directory or the environment"
        ) from error
    if not hasattr(module, attribute):
        raise ConfigError(f"{name}: module {path} has no {attribute}")
    return getattr(module, attribute)


def is_own(path: str) -> bool:
    """Whether a file of code is the user's own: neither of the standard library nor of dist_bp or another library."""
    real = os.path.realpath(path)
    return not real.startswith(NOT_THE_USERS) and "-packages" not in real


@contextmanager
def own_words(name: str, what: str) -> Iterator[None]:
    """Raises ConfigError for whatever code of the user's at `name` raises, `sys.exit` too.

    Ctrl-C passes, as what is ours does.
    """
    try:
        yield
    except (DistBpError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ConfigError(f"{name}: {what} failed: {told(error)}") from error


def told(error: BaseException) -> str:
    """What code of the user's raised and, where it was not dist_bp that did, in which file and line."""
    what = f"it called sys.exit({error.code!r})" if isinstance(error, SystemExit) else one_line(error)
    place = _place(error.__traceback__)
    return f"{what} ({place})" if place else what


def _place(traceback: TracebackType | None) -> str:
    """The innermost line that is neither of dist_bp nor of a library."""
    for frame in reversed(extract_tb(traceback)):
        path = os.path.realpath(frame.filename)
        if not frame.filename.startswith("<") and is_own(path):
            short = os.path.relpath(path)
            return f"{path if short.startswith('..') else short}:{frame.lineno}"
    return ""
