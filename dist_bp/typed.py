"""The command line that people typed, and commands for them to type, which work as they are printed."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from dist_bp.messages import without_password

NOT_AGAIN = ("--resume", "--name", "--submission-id")
"""Options, each with a value, that a command which goes on does not repeat."""

_typed: list[str] = []


def remember(arguments: Sequence[str]) -> None:
    """This process runs such a command line of dist_bp; without its program's name."""
    _typed[:] = arguments


def program(name: str = "dist-bp") -> str:
    """How to call an installed program from here: by its name where the shell finds it, else by its path."""
    installed = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    return name if found and Path(found).samefile(installed) else shlex.quote(os.path.relpath(installed))


def command(*words: str) -> str:
    """A command line of dist_bp, quoted as in Markdown; the passwords in it are for people to fill in."""
    return f"`{program()} {shlex.join(map(without_password, words))}`"


def option(name: str) -> list[str]:
    """An option of the command line with its value, for another command that needs it too; empty where not given."""
    for place, word in enumerate(_typed):
        key, separator, value = word.partition("=")
        if key == name and (separator or place + 1 < len(_typed)):
            return [name, value if separator else _typed[place + 1]]
    return []


def typed() -> list[str]:
    """The command line, without options for where it begins; empty where no command runs."""
    words = iter(_typed)
    kept = []
    for word in words:
        if word in NOT_AGAIN:
            next(words, None)
        elif word.partition("=")[0] not in NOT_AGAIN:
            kept.append(word)
    return kept


def with_settings(words: Sequence[str], *settings: str) -> list[str]:
    """The command line with these `key=value`, in place of others for the same keys."""
    keys = {setting.partition("=")[0] for setting in settings}
    return [*(word for word in words if word.partition("=")[0] not in keys), *settings]
