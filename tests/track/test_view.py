"""The view of an experiment's runs that its link opens."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient

from dist_bp.config import JobConfig
from dist_bp.track.view import TAG, RunsView, runs_url
from dist_bp.train.view import runs_view

LOSS = RunsView(["val_loss", "test_accuracy"], ["train.batch_size"], "val_loss", ascending=True)
SCORE = RunsView(["val_accuracy"], [], "val_accuracy", ascending=False)
RANGE = {"type": "uniform", "low": 0.5, "high": 2.0}


def state_of(client: MlflowClient) -> Any:
    tag = json.loads(client.get_experiment_by_name("digits").tags[TAG])
    assert tag["name"] == "best first"
    assert tag["createdAt"] == tag["updatedAt"] > 1.7e12
    return json.loads(tag["state"])


def test_the_last_job_says_what_the_table_shows(start: Callable[..., Any], client: MlflowClient) -> None:
    parent = start(view=SCORE)
    parent = start(view=LOSS)
    assert state_of(client) == {
        "orderByKey": "metrics.`val_loss`",
        "orderByAsc": True,
        "selectedColumns": ["metrics.`val_loss`", "metrics.`test_accuracy`", "params.`train.batch_size`"],
    }
    start(view=SCORE, resume=parent.open_child("trial"))
    assert state_of(client)["orderByKey"] == "metrics.`val_loss`", "a trial does not speak for its sweep"


def test_the_link_names_the_view_where_there_is_one() -> None:
    page = "http://127.0.0.1:5000/#/experiments/3/runs?workflowType=machine_learning"
    assert runs_url("http://127.0.0.1:5000", "3", viewed=False) == page
    assert runs_url("http://127.0.0.1:5000", "3", viewed=True) == f"{page}&viewStateShareKey=dist_bp"


@pytest.mark.parametrize(
    ("sections", "order", "ascending", "first", "params"),
    [
        ({}, "val_loss", True, ["val_loss", "val_accuracy", "test_accuracy"], "train.optimizer.learning_rate"),
        ({"checkpoint": {"monitor": "train_loss"}}, "train_loss", True, ["train_loss"], "train.batch_size"),
        (
            {
                "sweep": {
                    "metric": "val_accuracy",
                    "parameters": {"train.clip_norm": {"type": "uniform", "low": 0.5, "high": 2.0}},
                }
            },
            "val_accuracy",
            False,
            ["val_accuracy", "val_loss"],
            "train.clip_norm",
        ),
    ],
)
def test_what_a_job_is_watched_by_comes_first(
    make_job: Callable[..., JobConfig], sections: Any, order: str, ascending: bool, first: list[str], params: str
) -> None:
    view = runs_view(make_job(metrics=["accuracy"], **sections))
    assert (view.order, view.ascending) == (order, ascending)
    assert view.metrics[: len(first)] == first
    assert params in view.params
