"""Where a run comes from: user, program, commit and versions, as tags."""

import getpass
import platform
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dist_bp.track.port import SOURCE

PACKAGES = ("dist_bp", "numpy", "ray", "mlflow")


def program() -> str:
    """What was started, as people call it."""
    name = Path(sys.argv[0]).name
    return "dist-bp" if name == "__main__.py" else name


def origin_tags() -> dict[str, str]:
    tags = {
        SOURCE: program(),
        "mlflow.source.type": "LOCAL",
        "version.python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            tags[f"version.{package}"] = version(package)
        except PackageNotFoundError:
            continue
    commit = git_commit()
    if commit is not None:
        tags["mlflow.source.git.commit"] = commit
    with suppress(OSError, KeyError):  # a user id without a name, usual in containers
        tags["mlflow.user"] = getpass.getuser()
    return tags


def git_commit() -> str | None:
    """The commit checked out in the working directory, None where there is none."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
