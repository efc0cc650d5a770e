"""From where a trial that was cut off goes on."""

from pathlib import Path

from dist_bp.checkpoint import CHECKPOINTS, open_store
from dist_bp.sweep.trial import Trial
from dist_bp.sweep.tuning import newest_checkpoint
from tests.checkpoint.samples import sample
from tests.conftest import JobMaker


def test_damaged_checkpoints_are_told(make_job: JobMaker) -> None:
    job, trial = make_job(), Trial(3, {}, "run")
    said: list[str] = []
    assert newest_checkpoint(job, trial, said.append) is None
    store = open_store(Path("runs", "run", CHECKPOINTS))
    one, two = (store.save(sample(step)) for step in (1, 2))
    assert newest_checkpoint(job, trial, said.append) == str(two)
    assert said == []
    damage(two)
    assert newest_checkpoint(job, trial, said.append) == str(one)
    assert len(said) == 1
    assert said[0].startswith("trial 3: ")
    assert str(two) in said[0]
    damage(one)
    assert newest_checkpoint(job, trial, said.append) is None
    assert said[1].startswith("trial 3 begins anew: ")


def damage(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
