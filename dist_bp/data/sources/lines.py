"""Lines of text, a sample each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

import numpy as np

from dist_bp.data.files import DigestCache
from dist_bp.data.inputs import Features
from dist_bp.data.patterns import LABEL_AND_TEXT, Groups, matched, named_groups
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source, open_files
from dist_bp.data.text.reading import Encoding, check_encoding, text_lines
from dist_bp.errors import DataError, OptionError
from dist_bp.options import Doc, File, Text

TEXT, LABEL = "text", "label"
"""What the columns of such samples are called."""
OF_TEXT = Features((1,), (TEXT,), text=(TEXT,))
"""Samples that are a text and nothing else."""
MOST_PROBLEMS = 5
LOOKED_AT = 1000
"""Lines of a file that may have labels or not."""


@dataclass(frozen=True)
class LinesSource(Source):
    """A text file with a sample in each line: a label, blanks, and the text, or whatever the pattern says.

    Lines of blanks are passed over.
    """

    path: Annotated[File, Doc("The file.")]
    test_path: Annotated[File | None, Doc("A file of the same form with the test set.")] = None
    pattern: Annotated[Text, Doc("A line as a regular expression of Python with the groups `label` and `text`.")] = (
        LABEL_AND_TEXT
    )
    encoding: Encoding = "utf-8"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        groups = named_groups("pattern", self.pattern)
        if {*groups} != {LABEL, TEXT}:
            found = ", ".join(groups) or "none"
            raise OptionError("pattern", f"must have the groups (?P<label>...) and (?P<text>...), has {found}")

    def open(self, cache: DigestCache) -> Opened:
        options = {"pattern": self.pattern, "encoding": self.encoding}
        return open_files("lines", (self.path, self.test_path), options, cache, self.load)

    def load(self) -> Dataset:
        test = None if self.test_path is None else self.samples(self.test_path)
        return Dataset(self.samples(self.path), OF_TEXT, test, column=LABEL)

    def samples(self, path: str) -> Samples:
        """The texts and labels of a file; raises DataError, naming the first lines that are not as the pattern says."""
        texts, labels, problems = [], [], []
        lines = [*numbered(text_lines(path, self.encoding))]
        for (number, line), groups in zip(lines, self._matched(path, lines), strict=True):
            if groups is not None and {*groups} == {LABEL, TEXT}:
                texts.append(groups[TEXT])
                labels.append(groups[LABEL])
            else:
                problems.append(
                    f"data file {path!r}: line {number} is not as data.source.pattern says: {shown(line)!r}"
                )
        if len(problems) > MOST_PROBLEMS:
            problems = [*problems[:MOST_PROBLEMS], f"{len(problems) - MOST_PROBLEMS:,} more lines are like these"]
        if problems:
            raise DataError(problems)
        return Samples(table_of(texts), np.array(labels, object))

    def labelled(self, path: str, classes: Iterable[Any]) -> str | None:
        """The first line of a file where it and those after it, as far as it is looked, have one of `classes` as their
        label; raises DataError."""
        lines = [*islice(numbered(text_lines(path, self.encoding)), LOOKED_AT)]
        found, known = self._matched(path, lines), {str(name) for name in classes}
        looks_so = all(one is not None and one.get(LABEL) in known for one in found)
        return lines[0][1] if lines and looks_so else None

    def _matched(self, path: str, lines: Sequence[tuple[int, str]]) -> list[Groups | None]:
        texts = [line for _, line in lines]
        return matched(
            "data.source.pattern", self.pattern, texts, lambda place: f"data file {path!r}: line {lines[place][0]}"
        )


def numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines that hold more than blanks, with their numbers, from 1."""
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def table_of(texts: Iterable[str]) -> Any:
    """Texts as a table of one column."""
    import pandas as pd

    return pd.DataFrame({TEXT: pd.Series(list(texts), dtype=object)})


def shown(line: str) -> str:
    return line if len(line) <= 60 else f"{line[:60]}..."
