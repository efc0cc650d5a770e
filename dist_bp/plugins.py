"""Objects by name: `module:Name` of layers, losses and data sources, the user's own too."""

import importlib
import os
import sys
from typing import Any

from dist_bp.errors import ConfigError


def import_own(name: str) -> Any:
    """The object of the user's own at `module:Name`, from the environment or the working directory.

    Raises ConfigError where there is none. What the module itself raises passes.
    """
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that no file here hides a library
    return import_object(name)


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
