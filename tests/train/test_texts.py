"""Whole jobs on text in this process."""

from pathlib import Path

import numpy as np
import pytest

from dist_bp.build import build_batches
from dist_bp.data.shards import epoch_shift
from dist_bp.errors import CheckpointError
from dist_bp.train.course import check_same_course
from dist_bp.train.job import run_job
from dist_bp.train.setup import PreparedJob, prepare_job
from tests.conftest import JobMaker
from tests.train.looking import Notes

pytestmark = pytest.mark.usefixtures("database")

LAYERS = [
    {"type": "embedding", "size": 8},
    {"type": "text_cnn", "filters": 8, "widths": [2, 3], "activation": "relu"},
    {"type": "dense", "units": 2},
]


@pytest.fixture
def source(workplace: Path) -> dict[str, str]:
    """Texts of 3 to 40 words, of which those with "not good" are of another class than those with "good"."""
    draw = np.random.default_rng(3)
    lines = []
    for row in range(160):
        words = [f"w{number}" for number in draw.integers(0, 20, draw.integers(2, 39))]
        words.insert(int(draw.integers(len(words))), ("not good", "good")[row % 2])
        lines.append(f"{('minus', 'plus')[row % 2]} {' '.join(words)}")
    Path("t.txt").write_text("\n".join(lines))
    return {"type": "lines", "path": "t.txt"}


def test_a_network_learns_what_two_words_mean_together(make_job: JobMaker, source: dict[str, str]) -> None:
    config = make_job(
        data={"source": source, "preprocess": [{"type": "tokenize"}]},
        model={"layers": LAYERS},
        train={"epochs": 12, "group_by_length": True, "optimizer": {"type": "adam", "learning_rate": 0.02}},
    )
    notes = Notes()
    result = run_job(config, observer=notes)
    assert result.metrics["test_accuracy"] > 0.9
    assert any(line.startswith("samples of similar length in each batch: ") for line in notes.lines)
    assert any(line.startswith("text: ") and "of the train split" in line for line in notes.lines)


def test_padding_is_told_with_what_would_make_it_less(make_job: JobMaker, source: dict[str, str]) -> None:
    data = {"source": source, "preprocess": [{"type": "tokenize"}]}
    (told,) = [line for line in prepare_job(make_job(data=data, model={"layers": LAYERS})).notes if "padding" in line]
    share, less = (int(part.rpartition(" ")[2]) for part in told.split("%")[:2])
    assert told.startswith(f"{share}% of all positions are padding, as samples differ in length; ")
    assert 0 < less < share < 100
    same = make_job(data=data, model={"layers": LAYERS}, train={"shuffle": False})
    assert any(line.endswith("as samples differ in length") for line in prepare_job(same).notes)


def test_where_a_text_is_cut_belongs_to_the_course_of_a_run(make_job: JobMaker) -> None:
    layers = [{"type": "embedding", "size": 4}, {"type": "gru", "units": 6}, {"type": "dense", "units": 16}]
    Path("t.txt").write_text("the cat sat on the mat and the dog sat by the cat. " * 20)

    def job(shift: bool) -> PreparedJob:
        source = {"type": "text", "path": "t.txt", "context": 8, "shift": shift}
        data = {"source": source, "preprocess": [{"type": "tokenize", "by": "characters"}]}
        return prepare_job(make_job(data=data, model={"layers": layers}))

    moving, fixed = job(shift=True), job(shift=False)
    assert moving.prepared.digest == fixed.prepared.digest
    for one, shifts in ((moving, [epoch_shift(8, 3, epoch) for epoch in range(9)]), (fixed, [0] * 9)):
        batches, steps = build_batches(one.config, one.prepared.split("train"), 2), one.steps_per_epoch
        assert [batches.shift(epoch * steps + steps - 1) for epoch in range(9)] == shifts
    checkpoint = moving.checkpoint(moving.initial, run_id="run")
    check_same_course(checkpoint, moving.config)
    with pytest.raises(CheckpointError, match=r"data.source.shift is True in the checkpoint, False in the config"):
        check_same_course(checkpoint, fixed.config)
