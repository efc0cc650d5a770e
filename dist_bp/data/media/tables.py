"""Tables among folders of images or sounds."""

import os
from collections.abc import Sequence
from contextlib import suppress

from dist_bp.data.class_folders import ClassFolder, FileKind, folders, ignored
from dist_bp.data.formats import TABLES, format_of


def passed_over(found: Sequence[ClassFolder]) -> list[str]:
    """A note on files of other kinds by their suffix, if there are any."""
    tables = any(is_table(other) for one in found for other in one.others)
    return ignored(found, f" (labels in a table are read with type: csv and {found[0].kind.many})" if tables else "")


def is_table(path: str) -> bool:
    """Whether the suffix of a file says that it is a table."""
    return format_of(path) in TABLES and not path.lower().endswith(".txt")


def tables_instead(path: str, kind: FileKind) -> list[str]:
    """How a table is read that is named as the folder, or lies in one that holds no others: a line, if there is one."""
    inside = [path]
    with suppress(OSError):
        if os.path.isdir(path):
            inside = [] if folders(path) else sorted(entry.path for entry in os.scandir(path))
    return [
        f"{table!r} is a table: where it says the class of each {kind.noun}, read it with data.source: "
        f"{{type: {format_of(table)}, path: {table}, {kind.many}: COLUMN, target: COLUMN}}"
        for table in inside
        if is_table(table)
    ][:1]
