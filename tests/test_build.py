"""From configuration to objects: what `type` alone does not say."""

from pathlib import Path

import numpy as np
import pytest

from dist_bp.build import JobParts, build_schedule
from dist_bp.config import load_config
from dist_bp.config.component import construct
from dist_bp.config.model import ModelConfig
from dist_bp.data import Prepared
from dist_bp.nn import Model
from dist_bp.train.setup import prepare_job


def model(*layers):
    config = ModelConfig.model_validate({"layers": layers})
    return Model([construct(layer) for layer in config.layers], (4,))


def test_repeated_layers_are_those_written_out():
    block = [{"type": "dense", "units": 5, "activation": "relu"}, {"type": "dropout", "rate": 0.1}]
    last = {"type": "dense", "units": 2}
    short = model({"type": "repeat", "times": 2, "layers": block}, last)
    long = model(*block, *block, last)
    assert short.summary() == long.summary()
    (parameters, _), (same, _) = short.initialize(3), long.initialize(3)
    assert np.array_equal(parameters, same)
    nested = {"type": "repeat", "times": 2, "layers": [{"type": "repeat", "times": 3, "layers": [last]}]}
    assert len(model(nested).summary()) == 6


CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_can_be_tried_for_an_epoch(path, workplace):
    config = load_config(path, ["train.epochs=1", "scaling.num_workers=0"])
    if config.data.source.type == "sklearn":  # the others' data are elsewhere
        job = prepare_job(config)
        assert job.total_steps == job.steps_per_epoch
        shortened = config.train.schedule.warmup_steps >= job.total_steps
        assert any("train.schedule.warmup_steps is" in line for line in job.notes) == shortened
    schedule = build_schedule(config, 16)
    assert max(schedule(step, 16) for step in range(16)) == 1.0
    assert load_config(path, ["train.stop.max_steps=3"]).train.stop.max_steps == 3


@pytest.mark.parametrize("lazy", [True, False])
def test_a_lazy_optimizer_without_an_embedding_is_told_of(lazy, workplace):
    digits = next(path for path in CONFIGS if path.stem == "digits")
    job = prepare_job(load_config(digits, [f"train.optimizer.lazy={str(lazy).lower()}", "scaling.num_workers=0"]))
    told = "train.optimizer.lazy does nothing: the network has no embedding with a table of its own"
    assert (told in job.notes) == lazy


def test_a_process_of_a_run_is_made_of_what_its_driver_is_made_of(workplace):
    digits = next(path for path in CONFIGS if path.stem == "digits")
    job = prepare_job(load_config(digits, ["loss.class_weights=balanced", "scaling.num_workers=0"]))
    parts = JobParts(job.config, Prepared.open(job.prepared.directory, checked=True)).complete()
    assert parts.model.layout.shapes == job.model.layout.shapes
    assert parts.model.summary() == job.model.summary()
    assert [*parts.metrics] == [*job.metrics]
    assert parts.updater.rule == job.updater.rule
    outputs, targets = job.model.initialize(0)[0][:40].reshape(4, 10), np.array([0, 3, 3, 9])
    losses = [one.loss(outputs, targets, job.model.context(0), None) for one in (job, parts)]
    assert losses[0][:2] == losses[1][:2]
