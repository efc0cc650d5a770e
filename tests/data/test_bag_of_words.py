"""Bags of words."""

import json
from typing import Any

import numpy as np
import pytest

from dist_bp.data import Pipeline
from dist_bp.data.preprocess.bag_of_words import BagOfWords
from dist_bp.data.preprocess.standardize import Standardize
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.lines import LinesSource
from tests.data.texts import LINES, make, written

pytestmark = pytest.mark.usefixtures("workplace")


def test_bags_of_words_are_those_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    prepared = make(LinesSource(written("\n".join(LINES))), BagOfWords(ngrams=2, weights="tfidf"))
    pipeline = prepared.pipeline
    training = [line.split(" ", 1)[1] for line in LINES]
    rows = [row.tobytes() for row in prepared.split("train").inputs]
    kept = [text for text in training if pipeline.transform([text]).tobytes() in rows]
    assert len(kept) == len(rows)
    options: dict[str, Any] = {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"}
    oracle = TfidfVectorizer(**options).fit(kept)
    texts = ["You see a prize, a PRIZE", "win", "", "nothing here"]
    names = pipeline.feature_names
    assert names == tuple(f"text={name}" for name in oracle.get_feature_names_out())
    np.testing.assert_allclose(pipeline.transform(texts), oracle.transform(texts).toarray(), rtol=1e-6)
    counted = make(LinesSource("t.txt"), BagOfWords(weights="count", vocabulary=3)).pipeline
    chosen = [name.removeprefix("text=") for name in counted.feature_names or ()]
    assert len(chosen) == 3
    expected = CountVectorizer(vocabulary=chosen, token_pattern=r"\w+|[^\w\s]").transform(texts).toarray()
    assert counted.transform(texts).tolist() == expected.tolist()


@pytest.mark.parametrize(
    "step",
    [
        BagOfWords(weights="binary"),
        BagOfWords(hashed=True, vocabulary=7),
        BagOfWords(by="characters", ngrams=3, weights="tfidf"),
    ],
)
def test_bags_of_words_are_saved_with_the_model(step: BagOfWords) -> None:
    pipeline = make(LinesSource(written("\n".join(LINES))), step).pipeline
    again = Pipeline.from_dict(json.loads(json.dumps(pipeline.to_dict())))
    texts = ["see you and win", "", "prize prize", "\ud800"]
    np.testing.assert_array_equal(again.transform(texts), pipeline.transform(texts))
    assert pipeline.transform(texts)[1].tolist() == [0] * pipeline.inputs.shape[0]  # type: ignore[union-attr]
    assert pipeline.transform(["prize"]).any()


def test_words_stand_behind_the_numbers_of_a_table() -> None:
    written("n,v,y\n" + "".join(f"{row},{'ab'[row % 2]},{row % 2}\n" for row in range(40)), "d.csv")
    prepared = make(CsvSource("d.csv", "y", text=["v"]), BagOfWords(), Standardize())
    assert prepared.schema.feature_names == ("n", "v=a", "v=b")
    assert set(prepared.split("train").inputs[:, 1]) == {0.0, 1.0}
