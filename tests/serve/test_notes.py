"""What `evaluate` and `predict` of other data say beside their figures, each in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dist_bp.checkpoint import export_model
from dist_bp.data import reader
from dist_bp.serve import SavedModel
from dist_bp.train.setup import prepare_job
from tests.commands import run_here
from tests.conftest import JobMaker
from tests.serve.samples import configuration, save

TOWNS = pd.DataFrame(
    {
        "age": range(40),
        "town": ["Bergen", "Oslo"] * 20,
        "member": ["no", "yes", "yes", "no"] * 10,
        "w": [1.0, 2.0] * 20,
        "bought": ["no", "no", "yes", "yes"] * 10,
    }
)
STRANGERS = TOWNS.head(6).assign(town=["Rome", "Oslo", "Rome", "Kiev", "Bergen", "Rome"], member=["no"] * 5 + ["maybe"])
NETWORKS: dict[str, list[Any]] = {
    "one_hot": [],
    "categories": [
        {
            "type": "branches",
            "inputs": {"numbers": [], **{name: [{"type": "embedding", "size": 2}] for name in ("town", "member")}},
        }
    ],
}


def model(step: str = "one_hot", **options: Any) -> None:
    """The run `run` of a job on towns.csv."""
    TOWNS.to_csv("towns.csv", index=False)
    source = {"type": "csv", "path": "towns.csv", "target": "bought", **options}
    data = {"source": source, "preprocess": [{"type": step}, {"type": "standardize"}]}
    layers = [*NETWORKS[step], {"type": "dense", "units": 2}]
    save(configuration(Path(), source, 2, data=data, model={"layers": layers}))


def done(*arguments: str) -> tuple[str, list[str]]:
    """Standard output and the lines of standard error."""
    ended = run_here(*arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, ended.stderr.splitlines()


@pytest.mark.usefixtures("workplace")
def test_figures_without_weights_are_said_to_be() -> None:
    model(weights="w")
    TOWNS.to_csv("weighted.csv", index=False)
    TOWNS.drop(columns="w").to_csv("other.csv", index=False)
    line = (
        "note: 'other.csv' has no weights, which training took from 'w' (data.source.weights): all samples count alike"
    )
    assert done("evaluate", "run", "other.csv")[1] == [line]
    out, _ = done("evaluate", "run", "other.csv", "--json")
    assert json.loads(out)["notes"] == [line.removeprefix("note: ")]
    out, said = done("evaluate", "run", "weighted.csv", "--json")
    assert not [line for line in said if "note" in line]
    assert json.loads(out)["notes"] == []
    assert done("predict", "run", "other.csv")[1] == []


@pytest.mark.usefixtures("workplace")
def test_arrays_without_weights_are_told_of_as_tables_are() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 4)), np.arange(30) % 3
    np.savez("train.npz", x=x, y=y, weight=random.uniform(1, 2, 30))
    np.savez("other.npz", x=x, y=y)
    np.save("x.npy", x)
    np.save("y.npy", y)
    save(configuration(Path(), {"type": "npz", "path": "train.npz", "weights": "weight"}, 3))
    assert done("evaluate", "run", "train.npz")[1] == []
    for arguments in (["other.npz"], ["x.npy", "--targets", "y.npy"]):
        (line,) = done("evaluate", "run", *arguments)[1]
        assert f"{arguments[0]!r} has no weights, which training took from 'weight'" in line


WEIGHING = """import numpy as np

def rows():
    draw = np.random.default_rng(0)
    return {"inputs": draw.normal(size=(60, 2)), "targets": np.arange(60) % 3, "weights": 1 + np.arange(60) % 2}
"""


def test_weights_of_a_function_are_those_of_other_files(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("weighing.py").write_text(WEIGHING)
    monkeypatch.syspath_prepend(".")
    layers = [{"type": "dense", "units": 3}]
    job = prepare_job(make_job(data={"source": {"type": "weighing:rows"}}, model={"layers": layers}))
    export_model(Path("m"), job.checkpoint(job.initial))
    found = {"x": job.prepared.split("train").inputs[:9], "y": np.arange(9) % 3}
    weights = np.arange(9.0)
    np.savez("weighted.npz", **found, weights=weights)
    np.savez("other.npz", **found)
    model = SavedModel.load("m")
    expected = model.evaluate(found["x"], found["y"], weights=weights)["loss"]
    assert expected != pytest.approx(model.evaluate(found["x"], found["y"])["loss"], rel=1e-3)
    out, _ = done("evaluate", "m", "weighted.npz", "--json")
    assert (json.loads(out)["metrics"]["loss"], json.loads(out)["notes"]) == (pytest.approx(expected), [])
    assert done("evaluate", "m", "other.npz")[1] == [
        "note: 'other.npz' has no weights, which training took from weighing:rows (in a file they are called "
        "'weights'): all samples count alike"
    ]
    assert done("predict", "m", "weighted.npz")[1] == []


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("step", NETWORKS)
def test_categories_that_training_has_not_seen_are_counted(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model(step, exclude=["w"])
    STRANGERS.to_csv("other.csv", index=False)
    line = "note: categories that training has not seen: town 4 ('Rome', 'Kiev'), member 1 ('maybe')"
    monkeypatch.setattr(reader, "BLOCK_BYTES", 8 * 3 * 2)  # two rows at a time, and one line all the same
    out, said = done("predict", "run", "other.csv")
    assert said == [line]
    assert len(out.splitlines()) == 7
    assert done("evaluate", "run", "other.csv")[1] == [line]
    assert done("predict", "run", "towns.csv")[1] == []


@pytest.mark.usefixtures("workplace")
def test_many_and_long_categories_stay_one_short_line() -> None:
    model(exclude=["w"])
    many = TOWNS.head(6).assign(town=["a\nb" * 100, "b", "c", "d", "e", "e"])
    many.to_csv("other.csv", index=False)
    (line,) = done("predict", "run", "other.csv")[1]
    assert "town 6 ('e', " in line
    assert line.endswith(", ...)")
    assert len(line) < 200


@pytest.mark.usefixtures("workplace")
def test_an_imputed_category_that_is_none_counts_too() -> None:
    TOWNS.to_csv("towns.csv", index=False)
    source = {"type": "csv", "path": "towns.csv", "target": "bought", "missing": "impute", "exclude": ["w"]}
    steps = [{"type": "impute", "strategy": "constant", "value": "unknown"}, {"type": "one_hot"}]
    save(configuration(Path(), source, 2, data={"source": source, "preprocess": steps}))
    TOWNS.head(6).assign(town=None).to_csv("other.csv", index=False)
    assert done("predict", "run", "other.csv")[1] == ["note: categories that training has not seen: town 6 ('unknown')"]


@pytest.mark.usefixtures("workplace")
def test_training_says_so_of_the_sets_that_it_does_not_learn_from() -> None:
    TOWNS.to_csv("towns.csv", index=False)
    STRANGERS.to_csv("test.csv", index=False)
    source = {"type": "csv", "path": "towns.csv", "test_path": "test.csv", "target": "bought", "exclude": ["w"]}
    data = {"source": source, "preprocess": [{"type": "one_hot"}], "split": {"validation": 0.1}}
    job = configuration(Path(), source, 2, data=data, scaling={"num_workers": 0})
    line = "categories of the test split that training has not seen: town 4 ('Rome', 'Kiev'), member 1 ('maybe')"
    for _ in range(2):  # prepared now, and found
        assert line in done("train", str(job), "train.batch_size=8", "--dry-run")[0]
