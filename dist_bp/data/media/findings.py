"""What decoding finds of many files: what they have in common, and which cannot be read or are not alike."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dist_bp.data.class_folders import FileKind
from dist_bp.errors import DataError
from dist_bp.media.crew import Decoded
from dist_bp.media.decoder import Unreadable
from dist_bp.messages import plural

SHOWN = 10
"""Files that are named of those that are alike."""
NOTED = 3
"""Of those that are skipped."""


class Findings(ABC):
    """Of all files of a kind; where it `skips`, those that cannot be read are left out, which `option` asks for."""

    def __init__(self, kind: FileKind, skips: bool, option: str) -> None:
        self.kind, self.skips, self.option = kind, skips, option
        self.count = 0
        self.forms: Counter[Any] = Counter()
        """How many there are of each form."""
        self.examples: dict[Any, str] = {}
        self._unreadable: list[str] = []
        self._unfit: dict[str, str] = {}
        """The first of those with a reason."""
        self._alike: Counter[str] = Counter()
        """How many there are with it."""

    def take(self, name: str, one: Decoded) -> bool:
        """Whether the file called `name` is a sample."""
        self.count += 1
        if isinstance(one, DataError):
            if isinstance(one, Unreadable):
                self._unreadable.append(str(one))
            else:
                reason = str(one).rpartition(name)[2]
                self._unfit.setdefault(reason, str(one))
                self._alike[reason] += 1
            return False
        form = self.form(one)
        self.forms[form] += 1
        self.examples.setdefault(form, name)
        return bool(form == next(iter(self.forms)))

    @abstractmethod
    def form(self, one: Decoded) -> Any:
        """What must be alike."""

    @abstractmethod
    def described(self, form: Any) -> str:
        """A form, for messages."""

    @abstractmethod
    def remedy(self) -> str:
        """What makes them alike."""

    @property
    def notes(self) -> list[str]:
        """On files that were skipped."""
        if not self._unreadable:
            return []
        more = "; ..." if len(self._unreadable) > NOTED else ""
        return [f"{self._count}, which were skipped: {'; '.join(self._unreadable[:NOTED])}{more}"]

    @property
    def skipped(self) -> int:
        return len(self._unreadable) if self.skips else 0

    @property
    def good(self) -> bool:
        """Whether all files so far are samples, or skipped."""
        return len(self.forms) < 2 and not self._unfit and (self.skips or not self._unreadable)

    def problems(self) -> list[str]:
        """All that cannot be read, and files that are not alike."""
        problems: list[str] = []
        if self._unreadable and not (self.skips and self.forms):
            remedy = "" if self.skips else f": remove them, or pass them over with {self.option}"
            problems = [*self._unreadable[:SHOWN], self._count + remedy]
        problems += first_of([self._with_others(reason) for reason in self._unfit], self.kind)
        if len(self.forms) > 1:
            problems.append(self._unlike())
        return problems

    def _with_others(self, reason: str) -> str:
        first, more = self._unfit[reason], self._alike[reason] - 1
        return f"{first} ({plural(more, f'more {self.kind.noun}')} like it)" if more else first

    @property
    def _count(self) -> str:
        return f"{len(self._unreadable):,} of {plural(self.count, self.kind.noun)} cannot be read"

    def _unlike(self) -> str:
        common = self.forms.most_common(NOTED)
        shown = [f"{count:,} of {self.described(form)}, such as {self.examples[form]}" for form, count in common]
        if more := len(self.forms) - len(common):
            shown.append(plural(more, "other size"))
        return f"the {self.kind.many} are not alike: {'; '.join(shown)}: {self.remedy()} first in data.preprocess"


def first_of(problems: Sequence[str], kind: FileKind) -> list[str]:
    """The first lines of many, and how many more there are."""
    more = len(problems) - SHOWN
    return [*problems[:SHOWN], *([f"{more:,} more {kind.many} are like these"] if more > 0 else [])]
