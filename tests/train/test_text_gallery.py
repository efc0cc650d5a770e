"""What the page of a network for texts shows: which texts, and how they are written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.data.samples import evenly
from dist_bp.data.text import shown
from dist_bp.serve import SavedModel
from dist_bp.track.port import SWEEP
from dist_bp.train.describe import SPACE
from dist_bp.train.setup import PreparedJob, prepare_job
from dist_bp.train.text_gallery import plain, text_gallery
from tests.conftest import JobMaker

STEPS: dict[str, Any] = {"words": {"type": "bag_of_words"}, "tokens": {"type": "tokenize"}}
LAYERS = {
    "words": [{"type": "dense", "units": 2}],
    "tokens": [{"type": "embedding", "size": 4}, {"type": "mean_over_time"}, {"type": "dense", "units": 2}],
}


def job(make_job: JobMaker, step: str = "words", **more: Any) -> PreparedJob:
    lines = [f"{('no', 'yes')[row % 2]} a text, number {row} | of *them*" for row in range(100)]
    Path("t.txt").write_text("\n".join(lines))
    source = {"type": "lines", "path": "t.txt"}
    data = {"source": source, "preprocess": [STEPS[step]], "split": {"validation": 0.1, "test": 0.5}}
    return prepare_job(make_job(data=data, model={"layers": LAYERS[step]}, **more))


def rows_of(table: str) -> list[list[str]]:
    return [line.strip("| ").split(f" | {SPACE}") for line in table.splitlines()[4:]]


@pytest.mark.parametrize("step", STEPS)
def test_texts_are_shown_with_what_is_predicted_whatever_was_made_of_them(make_job: JobMaker, step: str) -> None:
    made = job(make_job, step)
    checkpoint = made.checkpoint(made.initial)
    samples, mistakes = text_gallery(made, checkpoint)
    texts = shown.shown_texts(made.prepared.directory / "test")
    assert texts
    assert len(texts) == 50
    truth = [made.prepared.schema.classes[label] for label in made.prepared.split("test").targets]  # type: ignore[index]
    assert [("no", "yes")[int(text.split()[3]) % 2] for text in texts] == truth
    predicted = SavedModel(made.config, checkpoint).predict(texts)
    wrong = int((predicted["prediction"] != truth).sum())
    assert samples.startswith(f"{50 - wrong} right among 50 test samples:\n\n| text | {SPACE}true |")
    for place, row in zip(evenly(50, 8), rows_of(samples), strict=True):
        told = predicted["prediction"][place]
        odds = predicted[f"probability_{told}"][place]
        assert row == [
            plain(texts[place]),
            truth[place],
            told if told == truth[place] else f"**{told}**",
            f"{odds:.3f}",
        ]
    assert f"of {wrong} mistakes, among 50 test samples" in mistakes
    assert all(row[2] == f"**{'no' if row[1] == 'yes' else 'yes'}**" for row in rows_of(mistakes))
    odds_of_wrong = [float(row[3]) for row in rows_of(mistakes)]
    assert odds_of_wrong == sorted(odds_of_wrong, reverse=True)


def test_some_texts_are_kept_of_many(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "MOST", 10)
    made = job(make_job)
    samples = text_gallery(made, made.checkpoint(made.initial))[0]
    assert "among 10 of 50 test samples" in samples
    labels = np.array(made.prepared.schema.classes)[made.prepared.split("test").targets[evenly(50, 10)]]
    assert [row[1] for row in rows_of(samples)] == labels[evenly(10, 8)].tolist()


def test_trials_and_data_of_before_show_none(make_job: JobMaker) -> None:
    trial = job(make_job, tracking={"tags": {SWEEP: "s"}})
    assert text_gallery(trial, trial.checkpoint(trial.initial)) == []
    made = job(make_job)
    (made.prepared.directory / "test" / shown.FILE).unlink()
    assert text_gallery(made, made.checkpoint(made.initial)) == []


def test_a_text_is_nothing_but_itself_on_a_page() -> None:
    assert plain("a|b *c*\n<d>") == "a&#124;b &#42;c&#42; &#60;d&#62;"
    assert plain("www.x.com é") == "www&#46;x&#46;com é"
    assert plain("x" * 999) == "x" * 159 + "…"
