"""What is shown of a network that tells the classes of texts: some with what is predicted, and the worst mistakes."""

import re
from collections.abc import Sequence

import numpy as np

from dist_bp.checkpoint import Checkpoint
from dist_bp.data.samples import evenly
from dist_bp.data.text.shown import shown_texts
from dist_bp.serve.saved_model import SavedModel
from dist_bp.train.describe import SPACE
from dist_bp.train.gallery import Predictions, mistakes_title, predictions_of, samples_title, tells_classes
from dist_bp.train.setup import PreparedJob

SAMPLES, MISTAKES = 8, 8
"""How many are shown at most."""
LETTERS = 160
"""Of a text."""
PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def text_gallery(job: PreparedJob, checkpoint: Checkpoint) -> list[str]:
    """Paragraphs of markdown; none of a network for something else, and of a sweep's trials."""
    split = job.measured
    texts = shown_texts(job.prepared.directory / split) if split and tells_classes(job) else None
    if not split or not texts:
        return []
    store = job.prepared.split(split)
    kept = evenly(len(store), len(texts))
    found = predictions_of(SavedModel(job.config, checkpoint), store, kept)
    if found is None:
        return []
    names = [str(name) for name in job.prepared.schema.classes or ()]
    some, worst = found.taken(evenly(len(found.rows), SAMPLES)), found.worst(MISTAKES)
    parts = [(samples_title(found, len(store), split), some)]
    if len(worst.rows):
        parts.append((mistakes_title(found, len(worst.rows), len(store), split), worst))
    return [
        f"{title}:\n\n{_table(one, names, [texts[place] for place in np.searchsorted(kept, one.rows)])}"
        for title, one in parts
    ]


def _table(found: Predictions, names: Sequence[str], texts: Sequence[str]) -> str:
    rows = [["text", "true", "predicted", "probability"]]
    for text, truth, predicted, probability, good in zip(
        texts, found.truth, found.predicted, found.probability, found.right, strict=True
    ):
        told = plain(names[predicted])
        rows.append([plain(text), plain(names[truth]), told if good else f"**{told}**", f"{probability:.3f}"])
    first, *others = (f"| {f' | {SPACE}'.join(row)} |" for row in rows)
    return "\n".join([first, "| --- | --- | --- | ---: |", *others])


def plain(text: str) -> str:
    """A text in one line of markdown that means nothing but itself: no link, no markup, no end of a cell."""
    line = " ".join(text.split())
    line = line if len(line) <= LETTERS else f"{line[: LETTERS - 1]}…"
    return PUNCTUATION.sub(lambda sign: f"&#{ord(sign[0])};", line)
