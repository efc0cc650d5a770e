"""Prints the newest Python that pyproject.toml allows besides the one that runs this; nothing where there is none.

Those on the path and pyenv's are looked at, by what they say of themselves: a name can be a shim of nothing.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.specifiers import SpecifierSet

PROBE = "import ensurepip, sys, venv; print('%d.%d.%d' % sys.version_info[:3])"


def folders() -> Iterator[Path]:
    yield from map(Path, os.get_exec_path())
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True).stdout.strip()
        yield from Path(root).glob("versions/*/bin")


def version(python: Path) -> str | None:
    """Its version; None where it does not run or cannot make virtual environments."""
    try:
        told = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() if told.returncode == 0 else None


allowed = SpecifierSet(tomllib.loads(Path("pyproject.toml").read_text())["project"]["requires-python"])
found = {}
for folder in folders():
    for python in folder.glob("python3.*"):
        if re.fullmatch(r"python3\.\d+", python.name) and (told := version(python)) and told in allowed:
            found.setdefault(tuple(map(int, told.split("."))), python)
others = [release for release in found if release[:2] != sys.version_info[:2]]
if others:
    print(found[max(others)])
