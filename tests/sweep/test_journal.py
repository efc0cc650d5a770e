"""The journal: what was written is read back, also after a crash in the middle of a line."""

import os
from pathlib import Path

import pytest

from dist_bp.errors import UserError
from dist_bp.sweep.journal import Journal
from dist_bp.sweep.trial import Trial, best, ranked


def written(folder: Path) -> tuple[Journal, list[Trial]]:
    journal = Journal(folder / "one")
    journal.open("name: x", "parent")
    trials = [Trial(0, {"a": 1.5, "b": {"type": "sgd"}}, "run-0"), Trial(1, {"a": 2.0, "b": [1]}, "run-1")]
    for trial in trials:
        journal.began(trial)
        trial.observe(1, 0.5, 0.4, {"val_loss": 0.4}, 2.0)
        journal.epoch(trial, 1)
    trials[0].status, trials[0].score = "finished", 0.25
    journal.ended(trials[0])
    trials[1].status = "waiting"
    return journal, trials


def test_everything_is_read_back(tmp_path):
    journal, trials = written(tmp_path)
    record = journal.read()
    assert (record.config, record.parent, record.trials) == ("name: x", "parent", trials)


def test_a_trial_that_failed_before_its_first_epoch_was_over_has_no_curve(tmp_path):
    journal, trials = written(tmp_path)
    trials.append(Trial(2, {"a": 1.0, "b": [1]}, "run-2", status="failed", cause="NaN"))
    journal.began(trials[2])
    journal.ended(trials[2])
    assert journal.read().trials == trials


def test_a_trial_with_other_values_keeps_its_epochs(tmp_path):
    journal, trials = written(tmp_path)
    trials[1].values = {"a": 3.0, "b": [1]}
    journal.began(trials[1])
    assert journal.read().trials == trials


def test_an_epoch_before_the_furthest_keeps_its_own_value(tmp_path):
    journal, trials = written(tmp_path)
    for epoch, value in ((2, 0.6), (1, 0.95)):  # it has gone on from the checkpoint of another
        trials[1].observe(epoch, value, value, {}, 3.0)
        journal.epoch(trials[1], epoch)
    assert journal.read().trials[1].curve == {1: 0.95, 2: 0.6}


@pytest.mark.parametrize("number", ["9" * 5000, "[" * 100_000])
def test_a_line_that_python_does_not_take_is_no_event(tmp_path, number):
    journal, trials = written(tmp_path)
    with journal.path.open("a") as file:
        file.write(f'{{"event": "epoch", "trial": {number}}}\n')
    assert journal.read().trials == trials


@pytest.mark.parametrize("lost", [1, 5, 30])
def test_a_torn_line_is_no_event_and_what_follows_is(tmp_path, lost):
    journal, trials = written(tmp_path)
    journal.path.write_bytes(journal.path.read_bytes()[:-lost])
    assert journal.read().trials[1].curve == {1: 0.5}
    journal.ended(trials[0])
    assert journal.read().trials[0].status == "finished"


def test_a_sweep_that_never_began_is_refused(tmp_path):
    journal, _ = written(tmp_path)
    journal.path.write_bytes(journal.path.read_bytes()[:20])
    with pytest.raises(UserError, match="never began: remove the folder"):
        journal.read()


def test_an_unknown_sweep_is_refused_with_the_likely_one(tmp_path):
    written(tmp_path)
    with pytest.raises(UserError, match="did you mean 'one'"):
        Journal(tmp_path / "on").read()
    with pytest.raises(UserError, match="there are none yet"):
        Journal(tmp_path / "elsewhere" / "on").read()


def test_the_best_comes_first_and_what_failed_last():
    trials = [Trial(number, {}, "") for number in range(5)]
    for trial, score in zip(trials, [0.2, None, 0.9, float("nan"), 1.0], strict=True):
        trial.score = score
    trials[4].status = "failed"
    assert [trial.number for trial in ranked(trials, "max")] == [2, 0, 1, 3, 4]
    assert [trial.number for trial in ranked(trials, "min")] == [0, 2, 1, 3, 4]
    assert best(trials, "max") is trials[2]
    assert best(trials[3:], "max") is None


END = '{"event": "end", "trial": 0, "epoch": 1, "score": 0.5, "metrics": {}, "seconds": 1, "cause": "", "status": %s}'


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "trial", "trial": 9, "values": {}, "run_id": "../../x"}',
        '{"event": "trial", "trial": "x", "values": {}, "run_id": "run"}',
        '{"event": "trial", "trial": 9, "values": 3, "run_id": "run"}',
        '{"event": "trial", "trial": 9, "values": {}, "run_id": "run"}',
        '{"event": "epoch", "trial": 99}',
        '{"event": "epoch", "trial": 0, "epoch": -1, "score": 1, "metrics": {}, "seconds": 1}',
        '{"event": "epoch", "trial": 0, "epoch": 1, "score": "x", "metrics": {}, "seconds": 1}',
        f'{{"event": "epoch", "trial": 0, "epoch": 1, "score": {"9" * 4000}, "metrics": {{}}, "seconds": 1}}',
        '{"event": "end"}',
        END % '"weird"',
        END % '"finished", "cause": 3',
        END % '"finished", "metrics": {"a": []}',
        '{"event": ["end"]}',
        "[1]",
        "{}",
        "3",
    ],
)
def test_what_is_no_event_of_a_sweep_is_told_with_its_line(tmp_path, line):
    journal, _ = written(tmp_path)
    with journal.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=r"trials.jsonl:7: this is no event of a sweep: "):
        journal.read()


def test_an_event_sets_nothing_but_its_own_facts(tmp_path):
    journal, trials = written(tmp_path)
    with journal.path.open("a") as file:
        file.write(END % '"failed", "run_id": "../../x", "number": 7, "values": {}' + "\n")
    read = journal.read().trials[0]
    assert (read.status, read.run_id, read.number, read.values) == ("failed", "run-0", 0, trials[0].values)


def test_a_journal_that_is_no_file_is_not_waited_for(tmp_path):
    journal = Journal(tmp_path)
    os.mkfifo(journal.path)
    with pytest.raises(UserError, match="cannot be read: it is a pipe, not a file"):
        journal.read()
