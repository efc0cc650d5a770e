"""One long text as prepared data."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dist_bp.data.inputs import ONLY
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.prepared import TOKENS
from dist_bp.data.preprocess.base import Preprocessor
from dist_bp.data.preprocess.tokenize import Texts, Tokenize
from dist_bp.data.sources.base import Dataset
from dist_bp.data.sources.lines import OF_TEXT, TEXT
from dist_bp.data.split import Split
from dist_bp.data.targets import Targets
from dist_bp.data.text.long import LongText, samples_in_text, write_tokens
from dist_bp.data.unseen import Unseen
from dist_bp.errors import DataError
from dist_bp.messages import plural
from dist_bp.types import DType


class Made(NamedTuple):
    """What lies in a folder of prepared data: how it was made, the samples of each split, and what is to be said."""

    pipeline: Pipeline
    splits: dict[str, int]
    notes: list[str]


def prepare_text(directory: Path, dataset: Dataset, split: Split, steps: Sequence[Preprocessor], dtype: DType) -> Made:
    """Writes the tokens of each split of a long text into `directory`; raises DataError."""
    text = dataset.samples.inputs
    assert isinstance(text, LongText)
    parts = _parts(text, dataset, split)
    step = _only_step(steps)
    tokens = step.fitted(Texts(parts["train"].blocks), (TEXT,), TEXT, ONLY)
    names = tuple(tokens.tokenizer.tokens)
    pipeline = Pipeline(
        OF_TEXT, [tokens], Targets("classification", (), dtype, names, ragged=True), dtype, context=text.context
    )
    training = Unseen()
    splits, notes = {}, [f"{plural(len(names), 'token')}, the unknown one among them"]
    for name, part in parts.items():
        folder = directory / name
        folder.mkdir(parents=True)
        counts = write_tokens(folder / TOKENS, part.blocks(), tokens.tokenizer)
        if name == "train":
            training.take_texts(TEXT, counts)
            training.check_texts()
        splits[name] = samples_in_text(name, counts, text.context)
        told = "; ".join([f"{counts.tokens:,} tokens in the {name} split", *counts.parts])
        notes.append(f"{told}; {plural(splits[name], 'sample')} of {text.context}")
    return Made(pipeline.knowing(training), splits, notes)


class Stretch(NamedTuple):
    """A text from a character to another, None: its end."""

    text: LongText
    start: int = 0
    stop: int | None = None

    def blocks(self) -> Iterator[str]:
        return self.text.blocks(self.start, self.stop)


def _parts(text: LongText, dataset: Dataset, split: Split) -> dict[str, Stretch]:
    """The texts of the splits: files of their own, and the ends of `text` for the others."""
    own = {name: one.inputs for name, one in dataset.own.items()}
    size = text.characters()
    test = 0 if "test" in own else round(size * split.test)
    validation = 0 if "validation" in own else round(size * split.validation)
    ends = {"train": size - validation - test, "validation": size - test, "test": size}
    found, start = {}, 0
    for name, stop in ends.items():
        if stop > start:
            found[name] = Stretch(text, start, stop)
        start = stop
    if "train" not in found:
        raise DataError(f"data file {text.path!r} holds no text to train on: give more, or hold out less (data.split)")
    return found | {name: Stretch(one) for name, one in own.items()}


def _only_step(steps: Sequence[Preprocessor]) -> Tokenize:
    if len(steps) != 1 or not isinstance(steps[0], Tokenize):
        raise DataError(
            "data.preprocess must have the step {type: tokenize, by: characters}, or by another, and no other"
        )
    if steps[0].max_length is not None or steps[0].column is not None:
        raise DataError(
            "preprocess step tokenize: max_length and column have no effect on one long text: remove them; "
            "data.source.context says how many tokens a sample has"
        )
    return steps[0]
