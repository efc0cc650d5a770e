"""What training says of a table: its numbers, its categories, what counted as missing and what was left out."""

from collections import Counter
from collections.abc import Mapping, Sequence

from dist_bp.data.tables.column import Column
from dist_bp.data.tables.kinds import Kind

SHOWN = 8
"""So many names are shown; of more their number."""


def report(columns: Sequence[Column], kinds: Mapping[str, Kind], target: str, left_out: Sequence[str]) -> list[str]:
    """Some lines, however many columns there are."""
    features = [column for column in columns if column.name != target]
    numbers = [column.name for column in features if kinds[column.name] == "number"]
    categories = [f"{column.name} ({column.distinct():,})" for column in features if kinds[column.name] == "category"]
    lines = []
    if numbers:
        lines.append(f"{of(len(numbers), 'column')} of numbers: {listed(numbers)}")
    if texts := [column.name for column in features if kinds[column.name] == "text"]:
        lines.append(f"{of(len(texts), 'column')} of text: {listed(texts)}")
    if categories:
        lines.append(f"{of(len(categories), 'column')} of categories, each with how many: {listed(categories)}")
    gaps = [column for column in columns if column.missing.any()]
    if gaps:
        counts = {column.name: int(column.missing.sum()) for column in gaps}
        where = listed([f"{name} {count:,}" for name, count in counts.items()])
        lines.append(f"{of(sum(counts.values()), 'cell')} counted as missing ({words(gaps)}): {where}")
    broken = {column.name: column.line_ends() for column in features if kinds[column.name] == "category"}
    if any(broken.values()):
        where = listed([f"{name} {count:,}" for name, count in broken.items() if count])
        lines.append(f"{of(sum(broken.values()), 'cell')} with a line end between quotes: {where}")
    if left_out:
        lines.append(f"left out: {listed(left_out)}")
    return lines


def of(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def words(columns: Sequence[Column]) -> str:
    """What the missing cells hold, and how often, the most frequent first."""
    counts = sum((column.words() for column in columns), Counter())
    return listed([f"{count:,} {word}" for word, count in counts.most_common()])


def listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
