"""What is shown of a network for images: which samples and mistakes, and what is written on them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from dist_bp.data.samples import evenly
from dist_bp.nn import Model
from dist_bp.nn.layers.conv2d import Conv2d
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.flatten import Flatten
from dist_bp.nn.layers.reshape import Reshape
from dist_bp.serve.saved_model import SavedModel
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.port import SWEEP
from dist_bp.train import gallery
from dist_bp.train.gallery import (
    Predictions,
    as_bytes,
    first_filters,
    gallery_of,
    image_shape,
    mistakes_title,
    samples_for,
    samples_title,
    smaller,
)
from dist_bp.train.job import run_job
from dist_bp.train.result import Result
from dist_bp.train.setup import prepare_job
from tests.conftest import JobMaker
from tests.sounds.noises import tone, write
from tests.train.looking import page

FOUND = Predictions(
    rows=np.array([2, 3, 5, 7, 11, 13]),
    truth=np.array([0, 1, 1, 2, 2, 0]),
    predicted=np.array([0, 0, 2, 2, 0, 1]),
    probability=np.array([0.9, 0.6, 0.9, 0.8, 0.7, 0.5]),
    true_probability=np.array([0.9, 0.3, 0.0, 0.8, 0.0, 0.4]),
)


def test_the_worst_mistake_held_the_truth_for_the_least_likely() -> None:
    assert FOUND.right.tolist() == [True, False, False, True, False, False]
    assert FOUND.worst(12).rows.tolist() == [5, 11, 3, 13]
    worst = FOUND.worst(2)
    assert (worst.truth.tolist(), worst.predicted.tolist(), worst.probability.tolist()) == ([1, 2], [2, 0], [0.9, 0.7])
    assert FOUND.taken(np.array([0, 3])).worst(12).rows.tolist() == []


def test_titles_say_of_how_many() -> None:
    assert samples_title(FOUND, 6, "test") == "2 right among 6 test samples"
    assert samples_title(FOUND, 10_000, "validation") == "2 right among 6 of 10,000 validation samples"
    assert mistakes_title(FOUND, 3, 6, "test") == "The worst 3 of 4 mistakes, among 6 test samples"
    assert mistakes_title(FOUND, 4, 50, "test") == "All mistakes, 4, among 6 of 50 test samples"


@pytest.mark.parametrize(
    ("count", "most", "expected"), [(0, 3, []), (2, 3, [0, 1]), (7, 3, [0, 2, 4]), (9, 3, [0, 3, 6])]
)
def test_samples_come_from_all_over_the_split(count: int, most: int, expected: list[int]) -> None:
    assert evenly(count, most).tolist() == expected


def test_numbers_become_bytes_from_the_smallest_to_the_largest() -> None:
    assert as_bytes(np.array([[-1.0, 0.0], [3.0, 1.0]])).tolist() == [[0, 64], [255, 128]]
    assert as_bytes(np.full((2, 2), 7.0, np.float32)).tolist() == [[0, 0], [0, 0]]


def test_large_images_become_smaller_by_means() -> None:
    image = np.arange(20, dtype=np.uint8).reshape(1, 4, 5, 1)
    assert smaller(image, 5) is image
    np.testing.assert_array_equal(smaller(image, 3)[0, :, :, 0], [[3, 5], [13, 15]])
    assert smaller(np.zeros((2, 3, 1000, 3), np.uint8), 96).shape == (2, 1, 90, 3)


@pytest.mark.parametrize(
    ("layers", "shape", "expected"),
    [
        ([Reshape([4, 4, 1]), Conv2d(2, 3), Flatten(), Dense(3)], (16,), (3, 3, 1, 2)),
        ([Conv2d(2, [2, 3])], (4, 4, 3), (2, 3, 3, 2)),
        ([Conv2d(2, 3)], (4, 4, 2), None),
        ([Conv2d(2, 1)], (4, 4, 3), None),
        ([Dense(3), Conv2d(2, 3)], (4, 4, 3), None),
        ([Flatten()], (4, 4, 3), None),
    ],
)
def test_filters_are_those_of_the_first_layer_with_weights(
    layers: list[Any], shape: tuple[int, ...], expected: tuple[int, ...] | None
) -> None:
    model = Model(layers, shape)
    parameters = model.layout.named(model.initialize(1)[0])
    filters = first_filters(model.summary(), parameters)
    assert expected == (None if filters is None else filters.shape)


def figures(result: Result) -> set[str]:
    with opened_store("sqlite:///mlflow.db") as client:
        return names(client, result.run_id)


def names(client: MlflowClient, run_id: str) -> set[str]:
    return {one.path.removeprefix("figures/") for one in client.list_artifacts(run_id, "figures")}


USUAL = {"loss.png", "confusion_matrix.png"}
CONVOLUTIONAL = {
    "layers": [{"type": "conv2d", "filters": 2, "kernel": 2}, {"type": "flatten"}, {"type": "dense", "units": 4}]
}
IMAGES = {"layers": [{"type": "reshape", "shape": [2, 3, 1]}, *CONVOLUTIONAL["layers"]]}


@pytest.mark.usefixtures("database")
def test_a_run_on_images_shows_samples_mistakes_and_filters_and_one_on_a_table_does_not(make_job: JobMaker) -> None:
    result = run_job(make_job(model=IMAGES, train={"epochs": 1}))
    assert result.metrics["test_accuracy"] < 1
    assert figures(result) == USUAL | {"samples.png", "worst_mistakes.png", "filters.png"}
    for name in ("samples", "worst_mistakes", "filters"):
        assert f"(get-artifact?path=figures%2F{name}.png&run_uuid={result.run_id})" in page(result)
    assert figures(run_job(make_job(train={"epochs": 1}))) == USUAL


def test_fewer_samples_are_predicted_by_a_large_network(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    job = prepare_job(make_job(model=IMAGES))
    checkpoint, store = job.checkpoint(job.initial), job.prepared.split("test")
    right = round(80 * SavedModel(job.config, checkpoint).evaluate_prepared([store], job.loss)["accuracy"])
    pictures = gallery_of(job, checkpoint)
    samples, mistakes = (pictures[f"figures/{name}.png"].arguments for name in ("samples", "worst_mistakes"))
    assert samples["title"] == f"{right} right among 80 test samples"
    assert mistakes["title"] == f"The worst 12 of {80 - right} mistakes, among 80 test samples"
    rows = evenly(80, 18)
    images = store.inputs[rows].reshape(18, 2, 3, 1)
    assert samples["images"] == as_bytes(images).tolist()
    assert samples["truth"] == [str(label) for label in store.targets[rows]]
    layers = job.model.summary()
    assert samples_for(layers) == 2000
    kernel, dense = (layer.parameters for layer in layers if layer.parameters)
    monkeypatch.setattr(gallery, "WORK", 30 * (2 * 3 * kernel + dense))
    large = gallery_of(job, checkpoint)["figures/samples.png"].arguments
    assert large["title"].endswith(" right among 30 of 80 test samples")
    monkeypatch.setattr(gallery, "WORK", 1)
    assert samples_for(layers) == 18


def test_a_trial_of_a_sweep_shows_none(make_job: JobMaker) -> None:
    job = prepare_job(make_job(model=IMAGES, tracking={"tags": {SWEEP: "a sweep"}}))
    assert gallery_of(job, job.checkpoint(job.initial)) == {}


def test_bytes_are_shown_as_they_were(make_job: JobMaker, workplace: Path) -> None:
    generator = np.random.default_rng(0)
    pixels, labels = generator.integers(100, 200, (60, 5, 4), np.uint8), np.arange(60) % 3
    np.savez(workplace / "images.npz", x=pixels, y=labels)
    source = {"type": "npz", "path": "images.npz"}
    steps = [{"type": "resize", "size": [5, 4]}, {"type": "scale"}]
    layers = [{"type": "flatten"}, {"type": "dense", "units": 3}]
    job = prepare_job(
        make_job(data={"source": source, "preprocess": steps}, model={"layers": layers}, train={"batch_size": 8})
    )
    assert image_shape(job.prepared, job.model) == (5, 4, 1)
    pictures = gallery_of(job, job.checkpoint(job.initial))
    shown = np.array(pictures["figures/samples.png"].arguments["images"], np.uint8)[..., 0]
    assert {image.tobytes() for image in shown} <= {image.tobytes() for image in pixels}
    assert "figures/filters.png" not in pictures


def test_sounds_are_shown_as_spectrograms(make_job: JobMaker, workplace: Path) -> None:
    for number in range(8):
        for name, hertz in (("high", 1500), ("low", 200)):
            write(workplace / "hums" / name / f"{number}.wav", tone(hertz, 0.1 + number / 50))
    data = {
        "source": {"type": "sound_folder", "path": "hums"},
        "preprocess": [{"type": "log_mel", "bands": 12}, {"type": "standardize"}],
        "split": {"validation": 0.25, "test": 0.25},
    }
    layers = [{"type": "mean_over_time"}, {"type": "dense", "units": 2}]
    job = prepare_job(make_job(data=data, model={"layers": layers}, train={"batch_size": 4}))
    pictures = gallery_of(job, job.checkpoint(job.initial))
    shown = pictures["figures/samples.png"].arguments
    assert np.array(shown["images"]).shape[1] == 12
    assert len(shown["truth"]) == job.splits["test"]
