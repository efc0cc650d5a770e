"""From text to numbers and back."""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np

from dist_bp.data.samples import RaggedArray
from dist_bp.foreign import checked
from dist_bp.types import Array

T = TypeVar("T")
UNKNOWN = "<unk>"
"""What an unknown token is called."""
WORD = re.compile(r"\w+|[^\w\s]")
"""A word, a number, or a sign."""
TO_THE_LAST, TO_THE_NEXT = {*".,;:!?)]}%'\u2019\u2026-"}, {*"([{$#@'\u2019-"}
"""Signs that have no blank before, or after them."""
NormalForm = Literal["NFC", "NFD", "NFKC", "NFKD"]


class Tokenizer(ABC):
    """What cuts text into tokens and knows their numbers."""

    kind: ClassVar[str]
    whole: ClassVar[bool] = False
    """Whether no token is a part of a character."""

    @property
    @abstractmethod
    def tokens(self) -> Sequence[str]:
        """What each number stands for."""

    @property
    @abstractmethod
    def unknown(self) -> int:
        """The number of all that is no other token."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> RaggedArray:
        """The tokens of each text, int64."""

    @abstractmethod
    def decode(self, numbers: Sequence[int]) -> str:
        """The text of some tokens, as far as they tell it."""

    def unknown_in(self, text: str) -> list[str]:
        """What in a text is unknown, each thing once, as far as that can be told."""
        return []

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""


@dataclass(frozen=True)
class ListedTokens(Tokenizer):
    """Characters or words of a list, which are 1 to n; all others are 0."""

    kind = "listed"
    whole = True
    by: Literal["characters", "words"]
    listed: tuple[str, ...]
    lowercase: bool = False
    normalize: NormalForm | None = None

    @cached_property
    def tokens(self) -> Sequence[str]:
        return (UNKNOWN, *self.listed)

    @property
    def unknown(self) -> int:
        return 0

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.listed, 1)}

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        by: Literal["characters", "words"],
        most: int | None,
        least: int,
        lowercase: bool,
        normalize: NormalForm | None,
    ) -> Self:
        """Lists the most frequent tokens of `texts`: at most `most`, the unknown one among them, each seen `least`
        times. Characters are in the order of their codes, words in that of their frequency."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(cut(text, by, lowercase, normalize))
        kept = sorted((token for token in counts if counts[token] >= least), key=lambda one: (-counts[one], one))
        kept = kept if most is None else kept[: most - 1]
        return cls(by, tuple(sorted(kept) if by == "characters" else kept), lowercase, normalize)

    def encode(self, texts: Sequence[str]) -> RaggedArray:
        numbers = self._numbers
        return joined([self._cut(text) for text in texts], lambda token: numbers.get(token, 0))

    def decode(self, numbers: Sequence[int]) -> str:
        tokens = [self.tokens[number] for number in numbers]
        return "".join(tokens) if self.by == "characters" else _spaced(tokens)

    def unknown_in(self, text: str) -> list[str]:
        return [token for token in dict.fromkeys(self._cut(text)) if token not in self._numbers]

    def _cut(self, text: str) -> Sequence[str]:
        return cut(text, self.by, self.lowercase, self.normalize)

    def to_dict(self) -> dict[str, Any]:
        return {"by": self.by, "listed": list(self.listed), "lowercase": self.lowercase, "normalize": self.normalize}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Raises ValueError."""
        made: Self = checked(cls, state)
        if len({*made.listed, UNKNOWN}) != len(made.listed) + 1 or "" in made.listed:
            raise ValueError("a token is listed twice, or is empty")
        if made.by == "characters" and any(len(token) > 1 for token in made.listed):
            raise ValueError("a token of several characters where tokens are characters")
        return made


def cut(text: str, by: Literal["characters", "words"], lowercase: bool, normalize: NormalForm | None) -> Sequence[str]:
    """The characters or words of a text."""
    if normalize:
        text = unicodedata.normalize(normalize, text)
    if lowercase:
        text = text.lower()
    return text if by == "characters" else WORD.findall(text)


def _spaced(words: Sequence[str]) -> str:
    """Words with blanks between them as they are mostly written: none before a full stop, or beside an apostrophe."""
    parts: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        parts += ["" if not before or before in TO_THE_NEXT or word in TO_THE_LAST else " ", word]
    return "".join(parts)


def joined(rows: Sequence[Sequence[T]], number: Callable[[T], int]) -> RaggedArray:
    """The number of each token of several texts, one behind the other."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values: Array = np.fromiter(map(number, chain.from_iterable(rows)), np.int64, int(offsets[-1]))
    return RaggedArray(values, offsets)
