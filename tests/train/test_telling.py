"""What a language model tells after each epoch."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from dist_bp.cli.display import next_commands
from dist_bp.config import JobConfig
from dist_bp.errors import ConfigError, Interrupted
from dist_bp.serve import SavedModel
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.port import DESCRIPTION, SWEEP
from dist_bp.train.job import run_job
from dist_bp.train.setup import prepare_job
from dist_bp.train.telling import KEPT, some, teller_of, told_page
from tests.commands import run_here
from tests.conftest import JobMaker
from tests.train.looking import Notes, StopAfter, page

pytestmark = pytest.mark.usefixtures("database")

CONTEXT = 24


def language_job(
    make_job: JobMaker, layer: Any = None, steps: Any = None, layers: Any = None, **more: object
) -> JobConfig:
    Path("t.txt").write_text("and so on, " * 200)
    layers = layers or [
        {"type": "embedding", "size": 16},
        layer or {"type": "gru", "units": 32},
        {"type": "dense", "units": 8},
    ]
    return make_job(
        data={
            "source": {"type": "text", "path": "t.txt", "context": CONTEXT},
            "preprocess": steps or [{"type": "tokenize", "by": "characters"}],
        },
        model={"layers": layers},
        train={"epochs": 6, "batch_size": 8, "group_size": 8, "optimizer": {"type": "adam", "learning_rate": 0.03}},
        **more,
    )


def test_each_epoch_has_a_text_and_training_keeps_its_bits(make_job: JobMaker) -> None:
    config, notes = language_job(make_job), Notes()
    result = run_job(config, observer=notes)
    told = [line for line in notes.lines if "goes on with" in line]
    assert [line.partition(":")[0] for line in told] == [f"epoch {epoch}" for epoch in range(1, 7)]
    assert told[-1] == "epoch 6: 'and so on, a' goes on with 'nd so on, an'"
    with opened_store("sqlite:///mlflow.db") as client:
        names = [one.path for one in client.list_artifacts(result.run_id, "texts")]
    assert names == [f"texts/epoch-{epoch:04}.txt" for epoch in range(1, 7)]
    job = prepare_job(config)
    assert job.loss_per == "token"
    assert not [line for line in job.notes if "padding" in line]
    teller = teller_of(job)
    assert teller
    saved = SavedModel.load(Path(result.model))
    text = teller.prompt.text + saved.generate(teller.prompt.text, CONTEXT - len(teller.prompt.tokens), seed=3)
    assert f"After epoch 6:\n\n```\n{text}\n```" in page(result)
    _, *command = shlex.split(next_commands(result, ["job.yaml"], config)[-1].replace("TEXT", "'and so on'"))
    assert run_here(*command).stdout.startswith("and so on, and so on")
    silent = run_job(language_job(make_job, tracking={"tags": {SWEEP: "s"}}))
    assert silent.parameters_sha256 == result.parameters_sha256
    assert "After epoch" not in page(silent)


def test_a_run_that_goes_on_has_the_texts_of_before(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    config = language_job(make_job)
    whole = run_job(config)
    with pytest.raises(Interrupted):
        run_job(config, observer=StopAfter(2, monkeypatch))
    with opened_store("sqlite:///mlflow.db") as client:
        [stopped] = client.search_runs(["1"], "attributes.status = 'KILLED'")
    assert re.findall(r"After epoch (\d)", stopped.data.tags[DESCRIPTION]) == ["1", "2"]
    resumed = run_job(config, resume="auto")
    assert resumed.run_id == stopped.info.run_id
    parts = [page(result)[page(result).index("After epoch 1") :] for result in (resumed, whole)]
    assert parts[0] == parts[1]
    assert parts[0].count("After epoch") == 5


def test_a_checkpoint_has_some_of_many_texts() -> None:
    texts = {epoch: str(epoch) for epoch in range(1, 1001)}
    kept = some(texts, KEPT)
    assert (min(kept), max(kept)) == (1, 1000)
    assert len(kept) == KEPT + 1
    assert some({2: "b", 1: "a"}, KEPT) == {1: "a", 2: "b"}


def test_a_text_begins_with_whole_characters(make_job: JobMaker) -> None:
    layers = [{"type": "embedding", "size": 4}, {"type": "dense", "units": 257}]
    config = language_job(make_job, steps=[{"type": "tokenize", "by": "bpe", "vocabulary": 257}], layers=layers)
    Path("t.txt").write_text("aスト" * 300, encoding="utf-8")
    teller = teller_of(prepare_job(config))
    assert teller
    assert len(teller.prompt.tokens) < CONTEXT // 2
    assert teller.prompt.text == "aストaス"


def test_a_page_shows_some_of_many_texts_whatever_is_in_them() -> None:
    texts = {epoch: f"text {epoch}" for epoch in range(1, 31)} | {30: "a ``` b"}
    shown = told_page(texts)
    assert [one.partition(":")[0] for one in shown] == [f"After epoch {epoch}" for epoch in (1, 8, 16, 23, 30)]
    assert shown[-1] == "After epoch 30:\n\n````\na ``` b\n````"
    assert told_page({}) == []


def test_other_networks_and_trials_tell_nothing(make_job: JobMaker) -> None:
    assert teller_of(prepare_job(make_job())) is None
    assert teller_of(prepare_job(language_job(make_job, tracking={"tags": {SWEEP: "s"}}))) is None


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ({"type": "transformer_block", "heads": 2}, "transformer_block"),
        ({"type": "lstm", "units": 8, "bidirectional": True}, "lstm"),
        ({"type": "conv1d", "filters": 16, "kernel": 3}, "conv1d"),
        ({"type": "transformer_block", "heads": 2, "causal": True}, None),
        ({"type": "rnn", "units": 16, "layers": 2}, None),
    ],
)
def test_a_network_that_sees_what_it_is_to_tell_is_refused(make_job: JobMaker, layer: Any, name: str | None) -> None:
    config = language_job(make_job, layer)
    if name is None:
        prepare_job(config)
        return
    with pytest.raises(ConfigError, match=rf"the network looks ahead: .*\(layer 1, {name}\)"):
        prepare_job(config)
