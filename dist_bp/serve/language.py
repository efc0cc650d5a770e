"""Language models: what a text may go on with."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from dist_bp.data.pipeline import Pipeline
from dist_bp.data.text.pieces import Pieces
from dist_bp.data.text.reading import whole
from dist_bp.errors import DataError, ShapeError, UserError
from dist_bp.messages import plural
from dist_bp.nn import Decoder, Loss, Model, Views
from dist_bp.signals import Ragged
from dist_bp.types import Array

SHOWN = 5
"""Unknown tokens of a prompt that are named."""


@dataclass(frozen=True)
class Sampling:
    """How the tokens of a text are chosen.

    Args:
        tokens: how many, at most.
        temperature: scores are divided by it before the softmax; 0: always the most likely token.
        top_k: only so many tokens come into question, the most likely ones; None: all.
        seed: of the random numbers; the same one gives the same text.

    Raises UserError, with a line for each value that is none.
    """

    tokens: int = 200
    temperature: float = 0.8
    top_k: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = []
        if self.tokens < 1:
            wrong.append(f"tokens must be 1 or more, got {self.tokens}")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            wrong.append(f"temperature must be 0 or more, got {self.temperature:g}")
        if self.top_k is not None and self.top_k < 1:
            wrong.append(f"top_k must be 1 or more, got {self.top_k}")
        if self.seed < 0:
            wrong.append(f"seed must be 0 or more, got {self.seed}")
        if wrong:
            raise UserError(wrong)

    @np.errstate(over="ignore")
    def choose(self, scores: Array, generator: np.random.Generator) -> int:
        """A token by the softmax of its score / temperature; `scores` (tokens,) are float64."""
        if self.temperature == 0:
            return int(scores.argmax())
        scaled = (scores - scores.max()) / self.temperature
        if self.top_k is not None and self.top_k < len(scaled):
            scaled[scaled < np.partition(scaled, -self.top_k)[-self.top_k]] = -np.inf
        ends = np.cumsum(np.exp(scaled))
        return int(np.searchsorted(ends[:-1], generator.random() * ends[-1], side="right"))


class Prompt(NamedTuple):
    """A text to go on from, its tokens as the model sees them, and what is to be said of them."""

    text: str
    tokens: list[int]
    notes: list[str]


class Generated(NamedTuple):
    """A token that was chosen: its number and name, the probability that the model gives it, whatever the sampling,
    and the text that it adds, which is nothing yet where a character has not ended."""

    token: int
    name: str
    probability: float
    text: str


def keeps(model: Model) -> bool:
    """Whether the layers keep what they made of earlier tokens, so that a token costs one position."""
    try:
        model.in_parts()
    except ShapeError:
        return False
    return True


class LanguageModel:
    """Goes on with a text, token by token, each chosen by what the model makes of the `context` tokens before it.

    Raises UserError where the model is not one that was trained on `{type: text}`.
    """

    def __init__(self, model: Model, parameters: Views, statistics: Views, pipeline: Pipeline, loss: Loss) -> None:
        tokenizer, context = pipeline.tokenizer, pipeline.context
        if tokenizer is None or context is None or loss.activation != "softmax":
            raise UserError(
                "the model is no language model: it has not learnt from data.source {type: text} which token comes next"
            )
        self.context = context
        self._tokenizer = tokenizer
        self._model = model
        self._parameters = parameters
        self._statistics = statistics
        self._threads = ThreadpoolController()

    def prompt(self, text: str) -> Prompt:
        """The last `context` tokens of a text. Raises DataError where it has none."""
        given, text = text, whole(text)
        tokens, notes = self._tokenizer.encode([text]).values.tolist(), []
        if text != given:
            notes.append("the prompt holds bytes that are no text in UTF-8: ? stands for each")
        if not tokens:
            empty = "has no token" if text else "is empty"
            raise DataError(f"the prompt {empty}: give the model something to go on from")
        if unknown := tokens.count(self._tokenizer.unknown):
            names = self._tokenizer.unknown_in(text)
            shown = ", ".join([*map(repr, names[:SHOWN]), *(["..."] if len(names) > SHOWN else [])])
            which = f" ({shown})" if shown else ""
            of_all = f"{unknown:,} of the prompt's {plural(len(tokens), 'token')}{which}"
            notes.append(f"the model does not know {of_all}: training has seen no such, and they tell it nothing")
        if len(tokens) > self.context:
            notes.append(f"the prompt has {len(tokens):,} tokens: the model sees the last {self.context:,}")
        return Prompt(text, tokens[-self.context :], notes)

    def generate(self, prompt: Prompt, sampling: Sampling) -> Iterator[Generated]:
        """What follows the prompt, as it is chosen. A character that the last tokens leave unfinished is not told.

        Raises DataError where the model's scores are not finite.
        """
        following = _Following(self._model, self._parameters, self._statistics, self.context)
        pieces, names = Pieces(self._tokenizer, prompt.tokens), self._tokenizer.tokens
        draw, new = np.random.default_rng(sampling.seed), prompt.tokens
        ends = prompt.text[-1:].isspace() and not self._tokenizer.decode(prompt.tokens)[-1:].isspace()
        for _ in range(sampling.tokens):
            with self._threads.limit(limits=1, user_api="blas"):  # for one sample several take longer
                scores = following(new)
            if not np.isfinite(scores).all():
                raise DataError("the model's scores are not finite: its training went wrong")
            highest = scores.max()
            logarithm = highest + math.log(np.exp(scores - highest).sum())
            allowed = scores.copy()
            allowed[self._tokenizer.unknown] = -np.inf  # there is no text for it
            token = sampling.choose(allowed, draw)
            text = pieces(token)
            if ends and text:  # the blank between the last word and this one is there
                text, ends = text.removeprefix(" "), False
            yield Generated(token, names[token], math.exp(scores[token] - logarithm), text)
            new = [token]


class _Following:
    """Scores of the tokens that may follow the last `context` ones.

    As long as all that came before fits into the context, the new tokens alone go through the network, if its layers
    can keep what they made of the others.
    """

    def __init__(self, model: Model, parameters: Views, statistics: Views, context: int) -> None:
        self._model, self._parameters, self._statistics = model, parameters, statistics
        self._context = context
        self._before: list[int] = []
        self._memory = model.context(0)
        self._memory.begin(training=False, statistics=statistics)
        self._decoder = Decoder(model, parameters, statistics) if keeps(model) else None

    @np.errstate(all="ignore")
    def __call__(self, new: Sequence[int]) -> Array:
        """(tokens,) in float64, of what follows `new`, which follow those of the calls before."""
        self._before = [*self._before, *new][-self._context :]
        if self._decoder is None:
            outputs = self._whole()
        elif self._decoder.past + len(new) <= self._context:
            outputs = self._decoder(np.array([new]))
        else:
            self._decoder.restart()
            outputs = self._decoder(np.array([self._before]))
        scores: Array = outputs[0, -1].astype(np.float64)
        return scores

    def _whole(self) -> Array:
        x = Ragged(np.array([self._before]), np.array([len(self._before)]))
        outputs: Array = self._model.forward(x, self._parameters, self._memory)[0].values
        return outputs
