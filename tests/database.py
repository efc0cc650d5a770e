"""An MLflow database read without MLflow, and those that are left open."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any


def rows(query: str, *values: str, path: Path = Path("mlflow.db")) -> list[Any]:
    """All rows of a query. `with sqlite3.connect(...)` alone would not close the database."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query, values).fetchall()


def left_open() -> list[str]:
    """The databases that this process has open, once for each descriptor."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [path for path in found if path.removesuffix(" (deleted)").endswith(".db")]
