"""One long text as the data of a language model."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.data import Gatherer, Pipeline, Prepared, Split, prepare
from dist_bp.data.example import read_example
from dist_bp.data.preprocess.standardize import Standardize
from dist_bp.data.preprocess.tokenize import Tokenize
from dist_bp.data.samples import RaggedArray
from dist_bp.data.sources.text import TextSource
from dist_bp.data.text.long import some_stretches, stretches
from dist_bp.errors import DataError
from dist_bp.signals import Field
from tests.data.tokenizers import letter

TEXT = "".join(f"line {row} of a text: naïve\r\n" for row in range(40))
CHARACTERS = Tokenize(by="characters", normalize=None)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.txt").write_bytes(TEXT.encode())


def make(source: Any, *steps: Any, validation: float = 0.2, test: float = 0.1) -> Prepared:
    return prepare(source, Split(validation, test), steps, seed=3, dtype="float32", directory="prepared")


def text_of(prepared: Prepared, split: str) -> str:
    """What the samples of a split say, one behind the other, and the last target."""
    samples = prepared.split(split)
    assert isinstance(samples.inputs, RaggedArray)
    assert prepared.pipeline.tokenizer
    return prepared.pipeline.tokenizer.decode([*samples.inputs.values, samples.targets.values[-1]])


def test_splits_are_the_text_in_its_order() -> None:
    prepared = make(TextSource("t.txt", context=16), CHARACTERS)
    text = TEXT.replace("\r\n", "\n")
    parts = [text_of(prepared, name) for name in ("train", "validation", "test")]
    assert "".join(parts) == text
    assert [len(part) for part in parts[1:]] == [round(len(text) * 0.2), round(len(text) * 0.1)]
    assert prepared.splits["train"] == -(-(len(parts[0]) - 1) // 16)
    count = len(set(parts[0])) + 1
    assert prepared.schema.inputs == Field((), "int", ragged=True, count=count, unseen=0)
    assert prepared.schema.target == Field((), "int", ragged=True, count=count)


def test_targets_are_the_tokens_that_follow_and_share_their_memory() -> None:
    prepared = make(TextSource("t.txt", context=16), CHARACTERS)
    samples = prepared.split("train")
    assert np.shares_memory(samples.inputs.values, samples.targets.values)
    assert samples.inputs.values.dtype == np.uint16
    rows = np.array([3, len(samples) - 1, 0])
    batch = Gatherer(samples, 3).batch(rows, (), rows)
    assert batch.inputs.values.dtype == batch.targets.values.dtype == np.int64
    assert batch.inputs.lengths.tolist()[::2] == [16, 16]
    for x, y, length in zip(batch.inputs.values, batch.targets.values, batch.inputs.lengths, strict=True):
        assert x[1:length].tolist() == y[: length - 1].tolist()
    assert batch.targets.values[2, 15] == samples.inputs.values[16]


def test_every_following_token_is_a_target_once() -> None:
    tokens = np.arange(22)
    samples = stretches(tokens, 5)
    assert samples.targets.values.tolist() == list(range(1, 22))
    assert samples.inputs.offsets.tolist() == [0, 5, 10, 15, 20, 21]
    assert samples.amount(np.arange(5)) == (5, 21.0)


@given(st.integers(2, 60), st.integers(1, 12), st.data())
def test_stretches_that_are_shifted_are_as_many(tokens: int, context: int, data: st.DataObject) -> None:
    by = data.draw(st.integers(0, context - 1))
    samples = stretches(np.arange(tokens), context)
    shifted = samples.shifted(by)
    rows = [shifted.inputs.taken(np.array([row])).values.tolist() for row in range(len(shifted))]
    assert len(rows) == len(samples)
    assert [*itertools.chain(*rows)] == [*range(rows[0][0], tokens - 1)]
    assert all(0 < len(row) <= context for row in rows)
    assert {row[0] % context for row in rows[1:]} <= {by}
    assert rows[0][0] in ((0, by) if len(rows) > 1 else (0,))
    assert (shifted.targets.values == shifted.inputs.values + 1).all()
    assert shifted.targets.offsets is shifted.inputs.offsets
    assert np.shares_memory(shifted.inputs.values, samples.inputs.values)
    assert samples.shifted(0) is samples


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_a_text_in_parts_has_the_same_stretches(rows: int) -> None:
    tokenizer = CHARACTERS.fitted(iter([TEXT]), ("text",), "text", "x").tokenizer
    whole = stretches(tokenizer.encode([TEXT]).values, 16)
    parts = [TEXT[:1], TEXT[1:70], "", TEXT[70:200], TEXT[200:]]
    found = [*some_stretches(iter(parts), tokenizer, 16, rows)]
    assert [len(one) for one in found[:-1]] == [rows] * (len(found) - 1)
    for which in ("inputs", "targets"):
        of_parts = [getattr(one, which) for one in found]
        np.testing.assert_array_equal(np.concatenate([one.values for one in of_parts]), getattr(whole, which).values)
        lengths = np.concatenate([np.diff(one.offsets) for one in of_parts])
        np.testing.assert_array_equal(lengths, np.diff(getattr(whole, which).offsets))
    assert [*some_stretches(iter(["", TEXT[:1]]), tokenizer, 16, rows)] == []


def test_validation_and_test_may_be_files_of_their_own() -> None:
    Path("v.txt").write_text("some other text\n")
    prepared = make(TextSource("t.txt", 16, validation_path="v.txt"), CHARACTERS)
    assert text_of(prepared, "validation") == "so<unk>e ot<unk>e<unk> text\n".replace("so", "<unk>o")
    assert "16 tokens in the validation split; 4 unknown tokens (25 %); 1 sample of 16" in prepared.notes
    assert len(text_of(prepared, "train")) == round(len(TEXT.replace("\r", "")) * 0.9)


@pytest.mark.parametrize("by", ["words", "bpe"])
def test_other_tokens_than_characters(by: Any) -> None:
    prepared = make(TextSource("t.txt", 16), Tokenize(by=by, vocabulary=300))
    again = Pipeline.from_dict(prepared.pipeline.to_dict())
    assert again.context == 16
    assert again.transform(["line 7 of"]).values.tolist() == prepared.pipeline.transform(["line 7 of"]).values.tolist()
    assert text_of(prepared, "train").startswith("line 0 of a text")


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((), "must have the step"),
        ((CHARACTERS, Standardize()), "must have the step"),
        ((Tokenize(max_length=5),), "max_length and column have no effect"),
    ],
)
def test_steps_that_make_no_tokens_of_a_long_text_are_refused(steps: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        make(TextSource("t.txt"), *steps)


def test_a_text_that_is_too_short_is_told() -> None:
    Path("t.txt").write_text("ab cd")
    with pytest.raises(DataError, match="the validation split of the text has less than two tokens"):
        make(TextSource("t.txt"), CHARACTERS)
    Path("t.txt").write_text("")
    with pytest.raises(DataError, match="holds no text to train on"):
        make(TextSource("t.txt"), CHARACTERS)


@pytest.mark.parametrize("by", ["characters", "bpe"])
def test_the_example_has_no_longer_samples_than_training(by: Any) -> None:
    prepared = make(TextSource("t.txt", context=7), Tokenize(by=by, vocabulary=300, normalize=None))
    example = read_example(prepared.directory)["text"].tolist()
    assert len(example) == 5
    assert all(TEXT.splitlines()[row].startswith(one) for row, one in enumerate(example))
    assert 1 <= np.diff(prepared.pipeline.transform(example).offsets).max() <= 7


def test_the_network_knows_how_long_samples_are() -> None:
    prepared = make(TextSource("t.txt", context=7), CHARACTERS)
    for spec in (prepared.schema.inputs, Pipeline.from_dict(prepared.pipeline.to_dict()).inputs):
        assert isinstance(spec, Field)
        assert spec.longest == 7


def test_a_tokenizer_that_knows_nothing_of_the_text_is_refused() -> None:
    Path("t.txt").write_text("0 1 2 3 4\n" * 40)
    with pytest.raises(
        DataError, match=r"^the tokenizer knows none of the tokens of the training split's texts \(text"
    ):
        make(TextSource("t.txt", 16), Tokenize(file=letter("tokenizer.json")))
