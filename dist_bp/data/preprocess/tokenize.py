"""tokenize: a column of text becomes whole numbers, a token each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal, Self

import numpy as np

from dist_bp.data.files import DigestCache, check_files
from dist_bp.data.inputs import Block
from dist_bp.data.preprocess.base import Blocks, Preprocessor, Transform
from dist_bp.data.preprocess.form import Form, Part
from dist_bp.data.preprocess.texts import (
    TextColumn,
    column_of,
    output_of,
    problems_of_text,
    texts_of,
    without_column,
)
from dist_bp.data.samples import RaggedArray
from dist_bp.data.text.counts import TokenCounts
from dist_bp.data.text.state import tokenizer_from_json, tokenizer_to_json
from dist_bp.data.text.tokenizer import ListedTokens, NormalForm, Tokenizer
from dist_bp.data.unseen import Unseen
from dist_bp.errors import DataError, OptionError
from dist_bp.foreign import checked
from dist_bp.options import Count, Doc, File
from dist_bp.types import Array

SUBWORDS = 8000
"""Tokens of bpe and wordpiece, where nothing else is said."""
LEAST = {
    "characters": (2, "a character and the unknown token"),
    "words": (2, "a word and the unknown token"),
    "bpe": (257, "all bytes and the unknown token"),
    "wordpiece": (3, "a character at the beginning of a word, one in it, and the unknown token"),
}
"""The fewest tokens there can be, and which they are."""


@dataclass(frozen=True)
class Texts:
    """Texts that can be gone through several times."""

    begin: Callable[[], Iterator[str]]

    def __iter__(self) -> Iterator[str]:
        return self.begin()


@dataclass(frozen=True)
class Tokens(Transform):
    """Makes of the text in `column`, one of `inputs`, the input `output`: its first tokens, at most `longest`.

    A text without any token becomes one unknown token, so that every sample has a position. `known` says that samples
    of the training split have unknown tokens, so that there is something to be learnt of them.
    """

    kind = "tokenize"
    tokenizer: Tokenizer
    inputs: tuple[str, ...]
    column: str
    output: str
    longest: int | None = None
    known: bool = False

    def transform(self, block: Block) -> Block:
        return self.observed(block, Unseen())

    def observed(self, block: Block, unseen: Unseen) -> Block:
        made, counts = self.encode(texts_of(block, self.inputs, self.column))
        unseen.take_texts(self.column, counts)
        left = without_column(block, self.inputs, self.column)
        return Block(block.inputs | {self.output: made}, left, block.rows)

    def encode(self, texts: list[str]) -> tuple[RaggedArray, TokenCounts]:
        """The tokens of each text, and what is to be said of them."""
        made = self.tokenizer.encode(texts)
        lengths = np.diff(made.offsets)
        counts = TokenCounts(texts=len(texts), empty=int((lengths == 0).sum()))
        wanted = lengths if self.longest is None else np.minimum(lengths, self.longest)
        if self.longest is not None and (lost := lengths - wanted).any():
            counts.cut, counts.lost = int((lost > 0).sum()), int(lost.sum())
        counts.unknown = -counts.empty
        if counts.empty or counts.cut:
            made = _resized(made, np.maximum(wanted, 1), self.tokenizer.unknown)
        counts.unknown += int((made.values == self.tokenizer.unknown).sum())
        counts.tokens, counts.longest = len(made.values) - counts.empty, int(wanted.max(initial=0))
        return made, counts

    def after(self, form: Form) -> Form:
        if self.inputs != form.texts or self.column not in form.written or self.output != output_of(form, self.column):
            raise ValueError(f"tokens of {self.column!r} as the input {self.output!r}")
        unseen = None if self.known else self.tokenizer.unknown
        part = Part((), ragged=True, count=len(self.tokenizer.tokens), unseen=unseen, longest=self.longest)
        return form.without((self.column,)).given(self.output, part)

    def knowing(self, training: Unseen) -> Self:
        found = training.texts(self.column)
        return replace(self, known=found.unknown + found.empty > 0)

    def to_dict(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in ("column", "output", "longest", "known")}
        return {"tokenizer": tokenizer_to_json(self.tokenizer), "inputs": list(self.inputs), **facts}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        longest = checked(int | None, state["longest"])
        if longest is not None and longest < 1:
            raise ValueError("texts of no token at all")
        column, output, known = (
            checked(kind, state[name]) for name, kind in (("column", str), ("output", str), ("known", bool))
        )
        inputs = checked(tuple[str, ...], state["inputs"])
        return cls(tokenizer_from_json(state["tokenizer"]), inputs, column, output, longest, known)


@dataclass(frozen=True)
class Tokenize(Preprocessor):
    """Cut text into tokens, whole numbers for an embedding: characters, words, parts of words, or those of a file.

    What is no token of the training split is the unknown one. A text alone is the network's input; beside other columns
    it is an input of its own, called as its column.
    """

    name = "tokenize"
    by: Annotated[
        Literal["characters", "words", "bpe", "wordpiece"],
        Doc("What a token is: a character, a word or sign, or a part of a word as byte-pair encoding or WordPiece."),
    ] = "words"
    column: TextColumn = None
    vocabulary: Annotated[
        Count | None,
        Doc("Most tokens, the unknown one among them; null: all characters or words, 8,000 parts of words."),
    ] = None
    min_count: Annotated[Count, Doc("A token is what the training split has at least so often.")] = 1
    max_length: Annotated[Count | None, Doc("Only so many tokens of a text, the first; null: all.")] = None
    lowercase: Annotated[bool, Doc("Make capital letters small.")] = False
    normalize: Annotated[NormalForm | None, Doc("Unicode normal form that texts are brought to first.")] = "NFC"
    file: Annotated[
        File | None, Doc("A tokenizer.json of the tokenizers library, which is taken as it is: no other option holds.")
    ] = None

    def __post_init__(self) -> None:
        if self.file is not None:
            changed = [name for name in FITTED if getattr(self, name) != getattr(type(self), name)]
            if changed:
                raise OptionError(changed[0], "has no effect on the tokenizer of a file: remove it, or file")
        elif self.vocabulary is not None and self.vocabulary < LEAST[self.by][0]:
            least, what = LEAST[self.by]
            raise OptionError("vocabulary", f"must be {least} or more for {self.by}, {what}, got {self.vocabulary}")

    def fit(self, form: Form, blocks: Blocks) -> Tokens:
        column = column_of(form, self.column)

        def texts() -> Iterator[str]:
            for block in blocks():
                yield from texts_of(block, form.texts, column)

        return self.fitted(Texts(texts), form.texts, column, output_of(form, column))

    def fitted(self, texts: Iterable[str], inputs: tuple[str, ...], column: str, output: str) -> Tokens:
        """Fits to the texts of a training split, which may be gone through more than once; raises DataError."""
        try:
            tokenizer = self._tokenizer(texts)
        except (OSError, ValueError, RecursionError) as error:
            what = f"the tokenizer {self.file!r} cannot be used" if self.file else f"no {self.by} can be made"
            raise DataError(f"{self.label}: {what}: {error}") from error
        if len(tokenizer.tokens) < 2:
            remedy = ": lower min_count" if self.min_count > 1 else ""
            raise DataError(f"{self.label}: the texts of the training split hold no {self.by}{remedy}")
        return Tokens(tokenizer, inputs, column, output, self.max_length)

    def _tokenizer(self, texts: Iterable[str]) -> Tokenizer:
        if self.file is None and (self.by == "characters" or self.by == "words"):
            most = self.vocabulary
            return ListedTokens.fit(texts, self.by, most, self.min_count, self.lowercase, self.normalize)
        from dist_bp.data.text.library import LibraryTokens, read_tokenizer

        if self.file is not None:
            check_files(self.file)
            return read_tokenizer(self.file)
        assert self.by == "bpe" or self.by == "wordpiece"
        most = self.vocabulary or SUBWORDS
        return LibraryTokens.fit(texts, self.by, most, self.min_count, self.lowercase, self.normalize)

    def content(self, cache: DigestCache) -> Any:
        if self.file is not None:
            check_files(self.file)
            return asdict(self) | {"file": cache.of_file(self.file)}
        return asdict(self)

    def problems(self, form: Form) -> list[str]:
        return problems_of_text(self.label, form, self.column)

    def outlook(self, form: Form) -> Form:
        column = column_of(form, self.column)
        return form.without((column,)).given(output_of(form, column), Part((), ragged=True, count=2))


FITTED = ("by", "vocabulary", "min_count", "lowercase", "normalize")
"""Options of a tokenizer that is fitted."""


def _resized(made: RaggedArray, lengths: Array, filling: int) -> RaggedArray:
    """Samples of other lengths, which are at most one longer than before: that one is `filling`."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.repeat(made.offsets[:-1] - offsets[:-1], lengths) + np.arange(offsets[-1])
    values = np.append(made.values, filling)
    absent = np.repeat(np.diff(made.offsets) == 0, lengths)
    return RaggedArray(values[np.where(absent, len(values) - 1, places)], offsets)
