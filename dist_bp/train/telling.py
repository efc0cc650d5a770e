"""What a language model tells while it learns: the same text gone on with after each epoch."""

import re
from collections.abc import Mapping

from dist_bp.data.samples import evenly
from dist_bp.data.text.pieces import BROKEN
from dist_bp.data.text.tokenizer import Tokenizer
from dist_bp.ps.arena import Snapshot
from dist_bp.serve.language import LanguageModel, Prompt, Sampling, keeps
from dist_bp.track.port import SWEEP
from dist_bp.train.setup import PreparedJob

BEGUN, FOLLOW = 16, 120
"""Tokens of the prompt and of what follows, at most."""
WORK = 10**9
"""About how many multiplications one text may take: a fraction of a second."""
SHOWN = 4
"""Texts on a run's page, beside the last."""
KEPT = 32
"""Texts that a checkpoint has for the pages of a run that goes on from there."""


class Teller:
    """Goes on with the beginning of the text that the run is measured on."""

    def __init__(self, job: PreparedJob) -> None:
        self._job = job
        pipeline, store = job.prepared.pipeline, job.prepared.split(job.measured or "train")
        tokenizer, context = pipeline.tokenizer, pipeline.context
        assert tokenizer
        assert context
        tokens = _whole(store.inputs.values[: min(BEGUN, -(-context // 2))].tolist(), tokenizer)
        self.prompt = Prompt(tokenizer.decode(tokens), tokens, [])
        work = job.model.layout.size * (1 if keeps(job.model) else context)
        follow = max(min(context - len(tokens), FOLLOW, WORK // work), 1)
        self._sampling = Sampling(follow, seed=job.config.seed)

    def __call__(self, snapshot: Snapshot) -> str:
        """What follows the prompt; the same random numbers each time. Raises DataError."""
        job = self._job
        parameters = job.model.layout.views(snapshot.parameters)
        statistics = job.model.statistics_layout.views(snapshot.statistics)
        language = LanguageModel(job.model, parameters, statistics, job.prepared.pipeline, job.loss)
        return "".join(one.text for one in language.generate(self.prompt, self._sampling))


def _whole(tokens: list[int], tokenizer: Tokenizer) -> list[int]:
    """As many of them as end with a character: tokens of bytes may end within one."""
    ends = (stop for stop in range(len(tokens), 0, -1) if not tokenizer.decode(tokens[:stop]).endswith(BROKEN))
    return tokens[: next(ends, len(tokens))]


def teller_of(job: PreparedJob) -> Teller | None:
    """Of a language model; of other networks, and of a sweep's trials, none."""
    if job.prepared.pipeline.context is None or SWEEP in job.config.tracking.tags:
        return None
    return Teller(job)


def told_line(epoch: int, prompt: str, text: str) -> str:
    """For a log."""
    return f"epoch {epoch}: {prompt!r} goes on with {text!r}"


def told_page(texts: Mapping[int, str]) -> list[str]:
    """Paragraphs of markdown with some of the texts, by epoch."""
    return [f"After epoch {epoch}:\n\n{_fenced(text)}" for epoch, text in some(texts, SHOWN).items()]


def some(texts: Mapping[int, str], most: int) -> dict[int, str]:
    """By epoch so many of the texts, the first and those in between, and the last."""
    epochs = sorted(texts)
    chosen = {epochs[place] for place in evenly(len(epochs), most).tolist()} | {*epochs[-1:]}
    return {epoch: texts[epoch] for epoch in sorted(chosen)}


def _fenced(text: str) -> str:
    """A block of code, whatever is in it."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}\n{text}\n{fence}"
