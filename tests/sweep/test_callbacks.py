"""What becomes of trials when Tune ends them."""

from types import SimpleNamespace

import pytest

from dist_bp.config.sweep import SweepConfig
from dist_bp.sweep.callbacks import StudyCallback
from dist_bp.sweep.journal import Journal
from dist_bp.sweep.search import Search
from dist_bp.sweep.study import Outside, Study


@pytest.mark.parametrize(
    ("interrupted", "error", "status"),
    [(False, None, "stopped"), (True, None, "waiting"), (False, ValueError("a condition failed"), "waiting")],
)
def test_a_trial_that_the_end_of_the_sweep_cuts_off_is_not_over(tmp_path, interrupted, error, status):
    spaces = {"x": {"type": "choice", "values": [1, 2]}}
    search = Search(SweepConfig.model_validate({"parameters": spaces}), 0)
    outside = Outside(lambda number: "run", lambda trials: None, print, lambda: interrupted)
    study = Study(search, Journal(tmp_path), outside, None, 3)
    study.error = error
    study.journal.open("name: x", "parent")
    trial = study.next()

    class Ended(SimpleNamespace):
        def __str__(self):
            return "run"

    StudyCallback(study, "val_loss").on_trial_complete(0, [], Ended(last_result={"over": False}))
    assert trial.status == status
    (read,) = study.journal.read().trials
    assert read.over is (status == "stopped")
