"""A model folder runs no code but dist_bp's own, unless somebody says that it may."""

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from sklearn import datasets

from dist_bp import build
from dist_bp.checkpoint import load
from dist_bp.config import load_config
from dist_bp.errors import UntrustedCode
from dist_bp.serve import SavedModel, evaluate_split
from dist_bp.serve.package import Packager
from tests.checkpoint.samples import rewrite
from tests.commands import run_here
from tests.serve.samples import configuration, save

OWN = """
from pathlib import Path
Path("imported").touch()
from sklearn import datasets
from dist_bp.nn import Declaration, Layer, Loss
from dist_bp.nn.losses.cross_entropy import CrossEntropy

class Same(Layer):
    def declare(self, spec):
        return Declaration(spec)
    def forward(self, x, params, ctx):
        return x, lambda dy, grads: dy

class MyLoss(CrossEntropy):
    pass

def iris():
    bunch = datasets.load_iris()
    return bunch.data, bunch.target
"""
SOURCE = {"type": "sklearn", "name": "iris"}
Make = Callable[..., Path]


@pytest.fixture
def make(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Saves a model whose configuration names code of the module `own`, which leaves the file `imported`."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("own.py").write_text(OWN)
    datasets.load_iris(as_frame=True).data.head().to_csv("rows.csv", index=False)

    def saved(layer: str = "activation", loss: str = "cross_entropy", source: str = "sklearn") -> Path:
        layers = [{"type": layer}] if ":" in layer else []
        layers = [*layers, {"type": "dense", "units": 3}]
        data = {"source": {"type": source} if ":" in source else SOURCE, "prepared": "prepared"}
        job = configuration(workplace, SOURCE, 3, data=data, model={"layers": layers}, loss={"type": loss})
        folder = save(job)
        Path("imported").unlink(missing_ok=True)
        monkeypatch.delitem(sys.modules, "own", raising=False)
        return folder

    return saved


def predict(folder: Path, *options: str) -> str:
    done = run_here("predict", str(folder), "--input", "rows.csv", "--output", "out.csv", "--force", *options)
    assert done.returncode in (0, 2)
    assert done.stderr.count("\n") == (done.returncode == 2), done.stderr
    return done.stderr


@pytest.mark.parametrize("part", ["layer", "loss"])
def test_what_a_model_names_runs_only_when_told_so(make: Make, part: str) -> None:
    name = {"layer": "own:Same", "loss": "own:MyLoss"}[part]
    folder = make(**{part: name})
    said = predict(folder)
    assert name in said
    assert "--trust-code" in said
    with pytest.raises(UntrustedCode, match=name):
        SavedModel.load(folder)
    assert not Path("imported").exists()
    assert predict(folder, "--trust-code") == ""
    assert len(pd.read_csv("out.csv")) == 5
    assert Path("imported").exists()


def test_a_source_of_its_own_is_only_called_when_told_so(make: Make) -> None:
    """A prediction does not need it."""
    folder = make(source="own:iris")
    assert predict(folder) == ""
    done = run_here("evaluate", str(folder))
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: data.source of the model names code that is not of dist_bp, own:iris: --trust"
    )
    assert not Path("imported").exists()
    assert run_here("evaluate", str(folder), "--trust-code").returncode == 0
    saved, moved = SavedModel.load(folder), load_config("job.yaml")
    assert evaluate_split(saved, "test", moved)[0] == 15  # the user's own file names it


def test_a_model_does_not_say_where_to_write(make: Make, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its job's prepared data is used where it still lies, else made in this folder."""
    folder, elsewhere = make(), tmp_path_factory.mktemp("elsewhere")
    assert run_here("evaluate", str(folder)).returncode == 0
    assert not Path(".dist_bp").exists()  # it still lies in `prepared`
    stored = (folder / "config.yaml").read_text()
    for place in (elsewhere, elsewhere / "deeper"):
        rewrite(folder, "config.yaml", stored.replace("prepared: prepared", f"prepared: {place}").encode())
        assert run_here("evaluate", str(folder)).returncode == 0
    assert not list(elsewhere.iterdir())
    assert len(list(Path(".dist_bp/prepared").glob("*/pipeline.json"))) == 1


@pytest.mark.parametrize("name", ["subprocess:Popen", "os:system", "sys:exit", "own:iris", "dist_bp.nn:Loss"])
def test_nothing_but_what_is_expected_is_called(make: Make, name: str) -> None:
    """Whoever made the folder has made right digests, too."""
    folder = make(layer="own:Same")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"]["layers"][0] = {"type": name, "args": ["touch", "called"]}
    rewrite(folder, "config.yaml", yaml.safe_dump(config).encode())
    assert "--trust-code" in predict(folder)
    assert f"{name}: is no layer: it must be a class derived from dist_bp.nn.Layer" in predict(folder, "--trust-code")
    config["model"]["layers"][0] = {"type": "own:Same"}
    config["loss"] = {"type": name, "args": ["touch", "called"]}
    rewrite(folder, "config.yaml", yaml.safe_dump(config).encode())
    loss = "unknown key 'args'" if name == "dist_bp.nn:Loss" else "is no loss"
    assert loss in predict(folder, "--trust-code")
    assert not Path("called").exists()


def test_code_within_layers_is_found(make: Make) -> None:
    folder = make()
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"]["layers"].insert(0, {"type": "residual", "layers": ["own:Same"]})
    config["loss"] = {"type": "own:MyLoss", "inner": {"type": "os:system"}, "others": ["own:Short"]}
    rewrite(folder, "config.yaml", yaml.safe_dump(config).encode())
    assert "os:system, own:MyLoss, own:Same, own:Short" in predict(folder)


def test_a_run_packs_its_models_by_its_own_configuration(make: Make) -> None:
    """Nobody has to say that the job's own code may run, and what a folder names instead does not."""
    folder = make(layer="own:Same")
    config, checkpoint = load_config("job.yaml"), load(folder)
    other = yaml.safe_load(checkpoint.config)
    other["model"]["layers"][0] = "other:Same"
    Path("other.py").write_text("from pathlib import Path\nPath('called').touch()\nfrom own import Same\n")
    rewrite(folder, "config.yaml", yaml.safe_dump(other).encode())
    package = Packager(config, build.prepare(config), folder.parent).package(folder)
    assert len(package.output_example) == 5
    assert [path.name for path in package.code_paths][1:] == ["own.py"]
    assert not Path("called").exists()


ENDS = {
    "at import": ("raise SystemExit(0)", 2, "job.yaml:", "importing it failed: it called sys.exit(0) (ending.py:1)"),
    "within an import": ("import ended", 2, "job.yaml:", "importing it failed: it called sys.exit(None) (ended.py:2)"),
    "not even an exception": (
        "class Own(BaseException): pass\nraise Own('so')",
        2,
        "job.yaml:",
        "importing it failed: Own: so (ending.py:2)",
    ),
    "in a constructor": (
        "from own import Same\nclass Layer(Same):\n    def __init__(self): exit(0)",
        2,
        "ending:Layer",
        "making it failed: it called sys.exit(0) (ending.py:3)",
    ),
    "while training": (
        "from own import Same\nimport sys\nclass Layer(Same):\n    def forward(self, x, params, ctx): sys.exit(0)",
        1,
        "code that the job runs ended it",
        "it called sys.exit(0) (ending.py:4)",
    ),
    "where its shape is asked for": (
        "from own import Same\nimport sys\nclass Layer(Same):\n    def declare(self, spec): sys.exit(0)",
        1,
        "the command was ended from within",
        "it called sys.exit(0) (ending.py:4)",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_code_that_ends_the_process_is_told_and_is_no_success(make: Make, database: Path, case: str) -> None:
    text, code, start, end = ENDS[case]
    make()
    Path("ended.py").write_text("import sys\nsys.exit()\n")
    Path("ending.py").write_text(text)
    job = yaml.safe_load(Path("job.yaml").read_text())
    job["model"]["layers"].insert(0, {"type": "ending:Layer"})
    job |= {"scaling": {"num_workers": 0}, "tracking": {"log_model": False, "system_metrics": False}}
    Path("job.yaml").write_text(yaml.safe_dump(job))
    try:
        done = run_here("train", "job.yaml", "--quiet")
    finally:
        for name in ("ending", "ended"):
            sys.modules.pop(name, None)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert done.stderr.startswith(f"error: {start}")
    assert done.stderr.endswith(f"{end}\n")


def test_a_function_that_ends_the_process_is_told(make: Make) -> None:
    make()
    Path("ending.py").write_text("import sys\ndef data(): sys.exit(0)\ndef admits(values): sys.exit(0)\n")
    job = yaml.safe_load(Path("job.yaml").read_text())
    job["sweep"] = {
        "metric": "val_loss",
        "num_samples": 2,
        "parameters": {"train.epochs": {"type": "choice", "values": [1, 2]}},
    }
    for change, said in (
        (
            {"data": {"source": {"type": "ending:data"}}},
            "error: ending:data failed: it called sys.exit(0) (ending.py:2)",
        ),
        ({"sweep": job["sweep"] | {"conditions": ["ending:admits"]}}, "it called sys.exit(0) (ending.py:3)"),
        ({"sweep": job["sweep"] | {"conditions": ["sys:exit"]}}, "sys:exit: must be a function, written in Python"),
    ):
        Path("job.yaml").write_text(yaml.safe_dump(job | change))
        done = run_here("sweep" if "sweep" in change else "train", "job.yaml", "--quiet")
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    sys.modules.pop("ending")


def test_a_resumed_run_runs_the_code_of_its_configuration_alone(make: Make, database: Path) -> None:
    make(layer="own:Same")
    job = yaml.safe_load(Path("job.yaml").read_text())
    job |= {"scaling": {"num_workers": 0}, "tracking": {"log_model": False, "system_metrics": False}}
    job["train"] |= {"epochs": 1}
    Path("job.yaml").write_text(yaml.safe_dump(job))
    first = run_here("train", "job.yaml")
    assert "model --trust-code\n" in first.stdout
    assert "model --trust-code --input FILE" in first.stdout
    runs = {path.resolve() for path in Path("runs").iterdir()} - {Path("runs/run").resolve()}
    [folder] = (path for run in runs for path in run.glob("checkpoints/*"))
    stored = (folder / "config.yaml").read_text().replace("own:Same", "other:Same")
    Path("other.py").write_text("from pathlib import Path\nPath('called').touch()\n")
    rewrite(folder, "config.yaml", stored.encode())
    refused = run_here("train", "job.yaml", "train.epochs=2", "--resume", str(folder))
    assert refused.returncode == 2
    assert 'model.layers.0 is {"type":"other:Same"} in the checkpoint' in refused.stderr
    assert not Path("called").exists()
