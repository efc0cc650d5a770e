"""Names of the user's own code: `module:Name` of layers, losses and data sources."""

import importlib
from typing import Any

from dist_bp.errors import ConfigError


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
