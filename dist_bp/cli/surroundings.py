"""What a command makes of surroundings that lack something: a home that can be written, letters beyond ASCII."""

import os
import sys
import warnings
from io import TextIOWrapper
from pathlib import Path

CACHE = Path(".dist_bp/matplotlib")


def make_do() -> None:
    """For this process and those that it starts."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that cannot be printed ends no command
    if "MPLCONFIGDIR" not in os.environ and not _writable_home():
        os.environ["MPLCONFIGDIR"] = str(CACHE.absolute())  # else it complains, and looks for all fonts each time
    warnings.filterwarnings("ignore", r"Image size .* could be decompression bomb")  # we refuse it, and say so


def _writable_home() -> bool:
    """Whether there is a folder for the settings of programs, or could be."""
    try:
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    except RuntimeError:  # a user whom the system does not know
        return False
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
