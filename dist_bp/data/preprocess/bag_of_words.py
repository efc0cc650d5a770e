"""bag_of_words: a column of text becomes numbers, one for each word or run of words that is in it."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zlib import crc32

import numpy as np

from dist_bp.data.inputs import ONLY, Block
from dist_bp.data.preprocess.base import Blocks, Preprocessor, Transform, from_json, to_json
from dist_bp.data.preprocess.form import Form, Part
from dist_bp.data.preprocess.texts import TextColumn, column_of, problems_of_text, texts_of, without_column
from dist_bp.data.text.tokenizer import NormalForm, cut
from dist_bp.errors import DataError
from dist_bp.foreign import checked
from dist_bp.options import Count, Doc, Ge, Le
from dist_bp.types import Array

MOST_TERMS = 2**20
By = Literal["characters", "words"]
Weights = Literal["count", "binary", "tfidf"]
Longest = Annotated[int, Ge(1), Le(10)]


@dataclass(frozen=True)
class Terms:
    """What is counted in a text: its words or characters, and runs of up to `ngrams` of them."""

    by: By
    ngrams: int
    lowercase: bool
    normalize: NormalForm | None

    def of(self, text: str) -> Iterator[str]:
        tokens = cut(text, self.by, self.lowercase, self.normalize)
        for size in range(1, self.ngrams + 1):
            for start in range(len(tokens) - size + 1):
                run = tokens[start : start + size]
                yield run if isinstance(run, str) else " ".join(run)


@dataclass(frozen=True)
class Bag(Transform):
    """Puts behind the numbers of a sample one for each of `names`, or for each of so many `buckets` of a hash.

    tfidf multiplies the times that a term occurs by `rarity`, ln((1 + texts) / (1 + texts with it)) + 1, and divides by
    the Euclidean length of the row (Salton and Buckley 1988, smoothed as in scikit-learn). A text without any of them
    is a row of zeros.
    """

    kind = "bag_of_words"
    input = ONLY
    inputs: tuple[str, ...]
    column: str
    terms: Terms
    weights: Weights
    names: tuple[str, ...]
    buckets: int | None
    rarity: Array | None = None

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def transform(self, block: Block) -> Block:
        rows = self.rows(texts_of(block, self.inputs, self.column))
        block.put(ONLY, np.concatenate([block.numbers(ONLY), rows], axis=1))
        return Block(block.inputs, without_column(block, self.inputs, self.column), block.rows)

    def rows(self, texts: list[str]) -> Array:
        """(texts, terms), float64."""
        made = np.zeros((len(texts), self.buckets or len(self.names)))
        for row, text in zip(made, texts, strict=True):
            places = [place for term in self.terms.of(text) if (place := self._place(term)) is not None]
            np.add.at(row, places, 1.0) if places else None
        if self.weights == "binary":
            np.minimum(made, 1, out=made)
        if self.weights == "tfidf" and self.rarity is not None:
            made *= self.rarity
            lengths = np.sqrt(np.vecdot(made, made))
            made /= np.where(lengths > 0, lengths, 1.0)[:, np.newaxis]
        return made

    def _place(self, term: str) -> int | None:
        return self._places.get(term) if self.buckets is None else bucket(term, self.buckets)

    def after(self, form: Form) -> Form:
        part = form.inputs.get(ONLY)
        size = self.buckets or len(self.names)
        if self.inputs != form.texts or self.column not in form.written or not _takes(part):
            raise ValueError(f"words of {self.column!r}, which is no column of text")
        if not 0 < size <= MOST_TERMS or (self.rarity is not None and self.rarity.shape != (size,)):
            raise ValueError(f"{size} words, and how rare they are of others")
        assert part
        names = self.names if self.buckets is None else tuple(map(str, range(size)))
        named = tuple(f"{self.column}={name}" for name in names)
        return form.without((self.column,)).given(ONLY, part.with_indicators(named))

    def to_dict(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in ("column", "weights", "buckets")}
        rarity = None if self.rarity is None else to_json(self.rarity)
        return {
            "inputs": list(self.inputs),
            "terms": vars(self.terms),
            "names": list(self.names),
            "rarity": rarity,
            **facts,
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        rarity = None if state["rarity"] is None else from_json(state["rarity"])
        terms = checked(Terms, state["terms"])
        if not 1 <= terms.ngrams <= 10:
            raise ValueError(f"runs of {terms.ngrams} words")
        return cls(
            checked(tuple[str, ...], state["inputs"]),
            checked(str, state["column"]),
            terms,
            checked(Weights, state["weights"]),
            checked(tuple[str, ...], state["names"]),
            checked(int | None, state["buckets"]),
            rarity,
        )


@dataclass(frozen=True)
class BagOfWords(Preprocessor):
    """Make numbers of text: how often, or whether, each word or run of words occurs in it, for layers of numbers.

    The words are the most frequent ones of the training split; others are passed over. They stand behind the numbers
    of a table, and the steps after it leave them alone.
    """

    name = "bag_of_words"
    vocabulary: Annotated[Count, Doc("Numbers at most: the most frequent words, or buckets of the hash.")] = 5000
    ngrams: Annotated[Longest, Doc("Runs of up to so many words, 1 to 10.")] = 1
    weights: Annotated[
        Weights, Doc("How often a word occurs, whether it does (binary), or that by how rare it is (tfidf).")
    ] = "count"
    by: Annotated[By, Doc("Words, or characters, of which the runs are parts of words.")] = "words"
    column: TextColumn = None
    hashed: Annotated[
        bool, Doc("Let a hash of each word say which number it counts for, which two may share: no vocabulary is kept.")
    ] = False
    lowercase: Annotated[bool, Doc("Make capital letters small.")] = True
    normalize: Annotated[NormalForm | None, Doc("Unicode normal form that texts are brought to first.")] = "NFC"

    def fit(self, form: Form, blocks: Blocks) -> Bag:
        column = column_of(form, self.column)
        terms = Terms(self.by, self.ngrams, self.lowercase, self.normalize)
        times: Counter[str | int] = Counter()
        texts_with: Counter[str | int] = Counter()
        texts = 0
        for block in blocks():
            for text in texts_of(block, form.texts, column):
                found: Counter[str | int] = Counter(
                    bucket(term, self.vocabulary) if self.hashed else term for term in terms.of(text)
                )
                times.update(found)
                texts_with.update(found.keys())
                texts += 1
        kept = sorted(times, key=lambda term: (-times[term], term))[: self.vocabulary]
        if not kept:
            raise DataError(f"{self.label}: the texts of the training split hold no {self.by}")
        kept = list(range(self.vocabulary)) if self.hashed else sorted(kept)
        rarity = None
        if self.weights == "tfidf":
            rarity = np.array([math.log((1 + texts) / (1 + texts_with[term])) + 1 for term in kept])
        names = () if self.hashed else tuple(map(str, kept))
        buckets = self.vocabulary if self.hashed else None
        return Bag(form.texts, column, terms, self.weights, names, buckets, rarity)

    def problems(self, form: Form) -> list[str]:
        if lines := problems_of_text(self.label, form, self.column):
            return lines
        if self.vocabulary > MOST_TERMS:
            return [f"{self.label}: vocabulary must be {MOST_TERMS:,} or less: each word is a number of every sample"]
        if not _takes(form.inputs.get(ONLY)):
            return [f"{self.label}: the numbers of the table are gone: put it before the step that takes them"]
        return []

    def outlook(self, form: Form) -> Form:
        return form.without((column_of(form, self.column),))


def bucket(term: str, buckets: int) -> int:
    """Which number of so many a term counts for: its CRC-32."""
    return crc32(term.encode("utf-8", "surrogatepass")) % buckets


def _takes(part: Part | None) -> bool:
    return part is not None and len(part.shape) == 1 and part.count is None and not part.ragged
