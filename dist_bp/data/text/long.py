"""A long text, a part at a time, and the stretches of its tokens that a language model learns from."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from dist_bp.data.samples import RaggedArray, SampleStore
from dist_bp.data.storing import ArrayFile
from dist_bp.data.text.counts import TokenCounts
from dist_bp.data.text.reading import text_blocks
from dist_bp.data.text.tokenizer import Tokenizer
from dist_bp.errors import DataError
from dist_bp.types import Array


@dataclass(frozen=True)
class LongText:
    """A file that is one text, of which samples are stretches of `context` tokens."""

    path: str
    encoding: str
    context: int

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[str]:
        """The text from character `start` to `stop`, in parts; raises DataError."""
        place = 0
        for block in text_blocks(self.path, self.encoding):
            first, last = max(start - place, 0), None if stop is None else max(stop - place, 0)
            if part := block[first:last]:
                yield part
            place += len(block)
            if stop is not None and place >= stop:
                return

    def characters(self) -> int:
        return sum(map(len, self.blocks()))

    def first_lines(self, count: int, tokenizer: Tokenizer) -> list[str]:
        """Lines with something in them, or parts of very long ones, each as far as a sample has tokens."""
        lines = (line for block in self.blocks() for line in block.split("\n") if line.strip())
        return [_beginning(line, tokenizer, self.context) for line in islice(lines, count)]


def _beginning(text: str, tokenizer: Tokenizer, most: int) -> str:
    while (tokens := len(tokenizer.encode([text]).values)) > most and len(text) > 1:
        text = text[: max(len(text) * most // tokens, 1)]
    return text


def write_tokens(path: Path, parts: Iterator[str], tokenizer: Tokenizer) -> TokenCounts:
    """All tokens of a text in a file of the smallest type that holds them, so that it may be larger than memory."""
    dtype = np.uint16 if len(tokenizer.tokens) <= 2**16 else np.int32
    counts = TokenCounts(texts=1)
    with ArrayFile(path) as file:
        for part in parts:
            tokens = tokenizer.encode([part]).values
            counts.unknown += int((tokens == tokenizer.unknown).sum())
            counts.tokens += len(tokens)
            file.append(tokens.astype(dtype))
    return counts


@dataclass(frozen=True)
class Stretches(SampleStore):
    """Samples that share one array: `context` tokens one behind the other, and as targets the tokens that follow each.

    The last sample is what is left.
    """

    context: int = 1

    def shifted(self, by: int) -> SampleStore:
        """As many stretches, cut `by` tokens later, less than `context`: the first is what lies before the first cut.

        Where that would make one more it is left out: the tokens at the text's beginning have fewer turns. A text of
        one stretch stays whole.
        """
        if not by or len(self) == 1:
            return self
        offsets = np.append(0, _cuts(by, len(self.inputs.values), self.context))[-len(self) - 1 :]
        return replace(
            self, inputs=RaggedArray(self.inputs.values, offsets), targets=RaggedArray(self.targets.values, offsets)
        )


def stretches(tokens: Array, context: int) -> Stretches:
    """Of all tokens. Raises ValueError for less than two."""
    if len(tokens) < 2:
        raise ValueError("a text of less than two tokens")
    offsets = _cuts(0, len(tokens) - 1, context)
    return Stretches(RaggedArray(tokens[:-1], offsets), RaggedArray(tokens[1:], offsets), context=context)


def _cuts(first: int, last: int, context: int) -> Array:
    return np.append(np.arange(first, last, context), last)


def some_stretches(parts: Iterator[str], tokenizer: Tokenizer, context: int, rows: int) -> Iterator[SampleStore]:
    """The `stretches` of a text that comes in parts, `rows` at a time: memory for them, and for a part of the text."""
    held: list[Array] = []
    count, whole = 0, rows * context
    for part in parts:
        held.append(tokenizer.encode([part]).values)
        count += len(held[-1])
        if count <= whole:
            continue
        tokens = np.concatenate(held)
        start = 0
        while count - start > whole:
            yield stretches(tokens[start : start + whole + 1], context)
            start += whole
        held, count = [tokens[start:].copy()], count - start
    if count > 1:
        yield stretches(np.concatenate(held), context)


def counts_of(samples: SampleStore, tokenizer: Tokenizer) -> TokenCounts:
    """Of the tokens that a language model is to tell."""
    tokens = samples.targets.values
    return TokenCounts(tokens=len(tokens), unknown=int((tokens == tokenizer.unknown).sum()))


def samples_in_text(name: str, counts: TokenCounts, context: int) -> int:
    """How many stretches there are. Raises DataError where there are none."""
    if counts.tokens < 2:
        raise DataError(f"the {name} split of the text has less than two tokens: give a longer one (data.split)")
    return -(-(counts.tokens - 1) // context)
