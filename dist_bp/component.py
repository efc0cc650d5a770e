"""What a configuration names by its `type`: its annotated constructor is its configuration.

The limits in the annotations hold for objects made in Python as they do for those of a file.
"""

import inspect
from abc import ABCMeta
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, get_type_hints

from typing_extensions import Doc

from dist_bp.errors import ConfigError
from dist_bp.limits import metadata, metadata_within, violation
from dist_bp.options import IsFile


class _Checked(ABCMeta):
    def __call__(cls, /, *args: Any, **kwargs: Any) -> Any:
        if problems := list(_problems(cls, args, kwargs)):
            raise ConfigError([f"{cls.__name__}: {problem}" for problem in problems])
        return super().__call__(*args, **kwargs)


class Component(metaclass=_Checked):
    """Base of layers, losses, optimizers, schedules, sources, preprocessing steps, metrics and spaces.

    Calling a component checks the arguments against the limits in their annotations and raises ConfigError with a line
    for each that is wrong. What one argument asks of another is checked by the constructor, with OptionError.
    """


class Option:
    """An argument of a component's constructor."""

    def __init__(self, parameter: inspect.Parameter, hint: Any) -> None:
        self.name = parameter.name
        self.hint = hint
        self.required = parameter.default is parameter.empty
        self.default = None if self.required else parameter.default
        docs = [part.documentation for part in metadata(hint) if isinstance(part, Doc)]
        self.description = docs[-1] if docs else ""

    @property
    def is_file(self) -> bool:
        """Whether it is the path of a file of the user's."""
        return any(isinstance(part, IsFile) for part in metadata_within(self.hint))


@cache
def options(component: Callable[..., Any]) -> tuple[Option, ...]:
    """The arguments of a component's constructor, or of a function, that can be given by name."""
    hints = _hints(_function(component))
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(Option(p, hints.get(p.name, Any)) for p in _parameters(component) if p.kind in named)


def takes_any_option(component: Callable[..., Any]) -> bool:
    """Whether there is a `**kwargs`, so that no name is unknown."""
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in _parameters(component))


def summary(component: Any) -> str:
    """The first paragraph of the docstring, in one line."""
    return " ".join((inspect.getdoc(component) or "").partition("\n\n")[0].split())


def _parameters(component: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that a caller gives."""
    function = _function(component)
    if function is object.__init__:
        return []  # its signature says *args and **kwargs, and it refuses both
    return list(inspect.signature(function).parameters.values())[function is not component :]


def _hints(function: Any) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError):  # it names what only a type checker imports
        return {name: hint for name, hint in inspect.get_annotations(function).items() if not isinstance(hint, str)}


def _function(component: Callable[..., Any]) -> Any:
    return inspect.getattr_static(component, "__init__") if isinstance(component, type) else component


def _problems(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[str]:
    try:
        given = inspect.signature(_function(cls)).bind(None, *args, **kwargs).arguments
    except TypeError:
        return  # Python says it better
    for option in options(cls):
        if option.name in given and (problem := violation(option.hint, given[option.name])):
            yield f"{option.name}: {problem}"
