"""What a language model makes of whole texts: how well it foretold each of them, and what it expects next."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dist_bp.data.samples import RaggedArray, block
from dist_bp.data.text.pieces import BROKEN
from dist_bp.data.text.tokenizer import Tokenizer
from dist_bp.signals import Ragged
from dist_bp.types import Array

if TYPE_CHECKING:
    import pandas as pd

Scores = Callable[[Ragged], Array]
"""Of stretches of tokens (n, longest) the scores (n, longest, tokens) of those that follow each."""


class Judge:
    """Goes through texts as training did: in stretches of `context` tokens, at most `rows` of them at a time.

    What comes next is told by the last `context` tokens of a text.
    """

    def __init__(self, scores: Scores, tokenizer: Tokenizer, context: int, rows: int) -> None:
        self._scores = scores
        self._tokenizer = tokenizer
        self._context = context
        self._rows = rows

    @np.errstate(all="ignore")
    def __call__(self, texts: RaggedArray) -> "pd.DataFrame":
        """A row for each text, see `SavedModel.predict`."""
        import pandas as pd

        lengths = np.diff(texts.offsets)
        surprise, following, odds = np.zeros(len(texts)), np.zeros(len(texts), np.int64), np.zeros(len(texts))
        stretches, text_of = self._stretches(texts)
        for first in range(0, len(stretches), self._rows):
            last = min(first + self._rows, len(stretches))
            scores, lasts = self._of_positions(stretches, first, last)
            text = np.repeat(text_of[first:last], np.diff(stretches.offsets[first : last + 1]))
            place = np.arange(stretches.offsets[first], stretches.offsets[last])
            told = place + 1 < texts.offsets[text + 1]  # the last token of a text foretells none
            logs = _log_probabilities(scores[told], texts.values[place[told] + 1])
            surprise -= np.bincount(text[told], logs, len(texts))
            whole = lengths[text_of[first:last]] <= self._context
            some = text_of[first:last][whole]
            following[some], odds[some] = self._likeliest(scores[lasts[whole]])
        long = np.flatnonzero(lengths > self._context)
        for first in range(0, len(long), self._rows):
            some = long[first : first + self._rows]
            places = texts.offsets[some + 1][:, np.newaxis] + np.arange(-self._context, 0)
            ends = RaggedArray(texts.values[places.reshape(-1)], np.arange(len(some) + 1) * self._context)
            scores, lasts = self._of_positions(ends, 0, len(some))
            following[some], odds[some] = self._likeliest(scores[lasts])
        perplexity = np.exp(surprise / (lengths - 1))
        names = np.array([self._shown(token) for token in following.tolist()], object)
        return pd.DataFrame({
            "prediction": names.astype(str),
            "probability": odds.astype(np.float32),
            "perplexity": perplexity.astype(np.float32),
            "tokens": lengths,
        })  # fmt: skip

    def _stretches(self, texts: RaggedArray) -> tuple[RaggedArray, Array]:
        """Those of all texts, and the text of each."""
        counts = -(-np.diff(texts.offsets) // self._context)
        text_of = np.repeat(np.arange(len(texts)), counts)
        within = np.arange(len(text_of)) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = texts.offsets[text_of] + within * self._context
        return RaggedArray(texts.values, np.append(starts, texts.offsets[-1])), text_of

    def _of_positions(self, stretches: RaggedArray, first: int, last: int) -> tuple[Array, Array]:
        """The scores of all positions, one below the other, and where the last one of each stretch is."""
        x = block(stretches, first, last)
        there = np.arange(x.values.shape[1]) < x.lengths[:, np.newaxis]
        return self._scores(x)[there], np.cumsum(x.lengths) - 1

    def _likeliest(self, scores: Array) -> tuple[Array, Array]:
        """Of each row the token of the highest score that has a text, and its probability."""
        allowed = scores.copy()
        allowed[:, self._tokenizer.unknown] = -np.inf
        tokens = allowed.argmax(axis=1)
        return tokens, np.exp(_log_probabilities(scores, tokens))

    def _shown(self, token: int) -> str:
        """Its text; its name where it is but a part of a character."""
        text = self._tokenizer.decode([token])
        return text if text and BROKEN not in text else self._tokenizer.tokens[token]


def _log_probabilities(scores: Array, tokens: Array) -> Array:
    """Of one of the tokens in each row (n,), in float64."""
    highest = scores.max(axis=1, initial=-np.inf)
    rest = np.log(np.exp(scores - highest[:, np.newaxis]).sum(axis=1, dtype=np.float64))
    found: Array = scores[np.arange(len(tokens)), tokens] - highest - rest
    return found
