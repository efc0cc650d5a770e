"""What a language model makes of texts, beside the sums written out token by token."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dist_bp.data.samples import RaggedArray
from dist_bp.data.text.library import LibraryTokens
from dist_bp.data.text.tokenizer import ListedTokens
from dist_bp.serve import SavedModel
from dist_bp.serve.texts import Judge
from dist_bp.signals import Ragged
from dist_bp.types import Array
from tests.commands import run_here
from tests.serve.samples import configuration, save

CONTEXT = 4
TOKENIZER = ListedTokens.fit(["abcdef"], "characters", None, 1, False, None)
UNKNOWN = TOKENIZER.unknown


def odds_after(seen: list[int]) -> list[float]:
    """Probabilities of the 7 tokens, of which the unknown one is the likeliest, by all tokens that are seen."""
    scores = [
        3.0,
        *(math.sin(1 + token * sum((place + 2) * one for place, one in enumerate(seen))) for token in range(6)),
    ]
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


def scores(x: Ragged) -> Array:
    found = np.full((*x.values.shape, 7), np.nan, np.float32)
    for row, length in enumerate(x.lengths):
        for place in range(length):
            found[row, place] = np.log(odds_after(x.values[row, : place + 1].tolist()))
    return found


def by_hand(text: list[int]) -> tuple[int, float, float]:
    logs = [
        math.log(odds_after(text[place // CONTEXT * CONTEXT : place + 1])[text[place + 1]])
        for place in range(len(text) - 1)
    ]
    odds = odds_after(text[-CONTEXT:])
    following = max(range(1, 7), key=odds.__getitem__)
    return following, odds[following], math.exp(-sum(logs) / len(logs)) if logs else math.nan


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_each_token_is_foretold_by_those_before_it_in_its_stretch(rows: int) -> None:
    draw = np.random.default_rng(3)
    texts = [draw.integers(0, 7, length).tolist() for length in (1, 4, 9, 2, 8, 5, 1, 3)]
    stored = RaggedArray(np.concatenate(texts), np.cumsum([0, *map(len, texts)]))
    found = Judge(scores, TOKENIZER, CONTEXT, rows)(stored)
    assert [*found.columns] == ["prediction", "probability", "perplexity", "tokens"]
    assert found["tokens"].tolist() == [*map(len, texts)]
    for row, text in enumerate(texts):
        following, probability, perplexity = by_hand(text)
        assert found["prediction"][row] == TOKENIZER.tokens[following]
        assert found["probability"][row] == pytest.approx(probability, rel=1e-5)
        assert found["perplexity"][row] == pytest.approx(perplexity, rel=1e-5, nan_ok=True)


def test_a_part_of_a_character_goes_by_its_name() -> None:
    tokenizer = LibraryTokens.fit(["a naïve line, a line " * 9], "bpe", 300, 2, False, None)
    text, names, size = RaggedArray(np.array([1, 1]), np.array([0, 2])), [], len(tokenizer.tokens)
    for token in (*tokenizer.encode([" line"]).values, *tokenizer.encode(["ï"]).values[:1]):
        sure = np.eye(size)[token]
        judge = Judge(lambda x, sure=sure: np.broadcast_to(sure, (*x.values.shape, size)), tokenizer, CONTEXT, 1)  # type: ignore[misc]
        names += judge(text)["prediction"].tolist()
    assert names == [" line", "Ã"]


WORDS = "".join(f"line {row}: what a naïve text\n" for row in range(60))


@pytest.fixture
def model(workplace: Path) -> SavedModel:
    Path("t.txt").write_text(WORDS)
    data: dict[str, Any] = {
        "source": {"type": "text", "path": "t.txt", "context": 8},
        "preprocess": [{"type": "tokenize", "by": "words"}],
        "split": {"validation": 0, "test": 0},
        "prepared": "prepared",
    }
    units = len(ListedTokens.fit([WORDS], "words", None, 1, False, "NFC").tokens)
    layers = [{"type": "embedding", "size": 4}, {"type": "gru", "units": 6}, {"type": "dense", "units": units}]
    job = {"data": data, "model": {"layers": layers}, "metrics": ["perplexity"]}
    return SavedModel.load(save(configuration(workplace, {}, 1, **job)))


def test_texts_have_the_perplexity_that_evaluate_tells_and_the_token_that_generate_takes(model: SavedModel) -> None:
    Path("new.txt").write_text(WORDS[:400].replace("\n", " ") + "\nline 3: what\n\n")
    done = run_here("predict", "run", "new.txt", "--output", "out.csv")
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv("out.csv", dtype={"prediction": str})
    texts = Path("new.txt").read_text().splitlines()[:2]
    assert frame["text"].tolist() == texts
    for row, text in enumerate(texts):
        Path("one.txt").write_text(text)
        done = run_here("evaluate", "run", "one.txt")
        perplexity = float(done.stdout.split("perplexity")[1])
        assert frame["perplexity"][row] == pytest.approx(perplexity, abs=1e-4)
        assert frame["prediction"][row] == model.generate(text, 1, temperature=0).strip()
    pd.testing.assert_frame_equal(frame.iloc[:, 1:], model.predict(texts), check_dtype=False, rtol=1e-5)
    run_here("predict", "run", "new.txt", "--output", "out.npy")
    assert np.load("out.npy").tolist() == frame["prediction"].tolist()
    assert len(model.predict([])) == 0
