"""The model as MLflow packs it, used by a stranger who has the folder, MLflow and no Ray."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from dist_bp import build
from dist_bp.checkpoint import export_model, load
from dist_bp.config import load_config
from dist_bp.serve import SavedModel, find_model
from dist_bp.serve.package import REQUIREMENTS, Packager
from dist_bp.track.port import ModelPackage
from tests.serve.samples import configuration, save

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema contains integer column"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]

STRANGER = """
import sys
sys.modules["ray"] = None
import json, numpy, pandas
import mlflow.pyfunc
folder, raw, out = sys.argv[1:]
model = mlflow.pyfunc.load_model(folder)
rows = numpy.load(raw) if raw.endswith("npy") else pandas.read_csv(raw)
model.predict(rows).to_parquet(out)
import dist_bp
print(json.dumps([dist_bp.__file__, sorted(name for name in sys.modules if name.startswith("dist_bp."))]))
"""


def packed(config_path: Path, folder: Path) -> tuple[SavedModel, ModelPackage, Path]:
    """The model, its package, and the folder that MLflow makes of it."""
    import mlflow.pyfunc
    from mlflow.models import infer_signature

    exported = export_model(folder / "run" / "model", load(save(config_path)))
    config = load_config(config_path)
    package = Packager(config, build.prepare(config), exported.parent).package(exported)
    mlflow.pyfunc.save_model(
        path=str(folder / "packed"),
        python_model=str(package.python_model),
        artifacts={name: str(path) for name, path in package.artifacts.items()},
        signature=infer_signature(package.input_example, package.output_example),
        input_example=package.input_example,
        pip_requirements=list(package.pip_requirements),
        code_paths=[str(path) for path in package.code_paths],
    )
    return SavedModel.load(exported, trust_code=True), package, folder / "packed"


def predict_as_stranger(folder: Path, raw: Path, tmp_path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Predictions, and the modules of dist_bp that were needed for them."""
    (tmp_path / "elsewhere").mkdir()
    arguments = [str(folder), str(raw), str(tmp_path / "out.parquet")]
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path / "elsewhere",
        env={"PATH": "", "HOME": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    assert done.returncode == 0, done.stderr
    origin, modules = json.loads(done.stdout.splitlines()[-1])
    assert origin.startswith(str(folder)), "the code is not that of the model's folder"
    return pd.read_parquet(tmp_path / "out.parquet"), modules


def test_a_table_model_predicts_raw_rows_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"size": draw.normal(size=60), "rooms": draw.integers(1, 9, 60)})
    frame["colour"] = draw.choice(["red", "blue"], 60)
    frame["age"] = np.where(frame["rooms"] > 4, np.nan, frame["rooms"])
    frame["kind"] = draw.choice(["flat", "house"], 60)
    frame.to_csv(tmp_path / "homes.csv", index=False)
    (tmp_path / "own_layers.py").write_text(
        "from dist_bp.nn import Declaration, Layer\n"
        "class Negate(Layer):\n"
        "    kind = 'negate'\n"
        "    def declare(self, spec):\n"
        "        return Declaration(spec, {}, {})\n"
        "    def forward(self, x, params, ctx):\n"
        "        return -x, lambda dy, grads: -dy\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    source = {"type": "csv", "path": str(tmp_path / "homes.csv"), "target": "kind", "missing": "impute"}
    steps = [{"type": "impute"}, {"type": "standardize"}, {"type": "one_hot"}]
    data = {"source": source, "preprocess": steps, "prepared": str(tmp_path / "prepared")}
    layers = [{"type": "dense", "units": 4}, {"type": "own_layers:Negate"}, {"type": "dense", "units": 2}]
    config = configuration(tmp_path, source, 2, data=data, model={"layers": layers})
    model, package, folder = packed(config, tmp_path)

    assert package.input_example.dtypes.astype(str).to_dict() == {
        "size": "float64",
        "rooms": "int64",
        "colour": "object",
        "age": "float64",
    }
    assert [line.partition("==")[0] for line in package.pip_requirements] == list(REQUIREMENTS)
    assert find_model(str(folder), tmp_path, Path).parent.parent == folder
    (tmp_path / "own_layers.py").unlink()
    (tmp_path / "run" / "pyfunc_model.py").unlink()
    predicted, modules = predict_as_stranger(folder, tmp_path / "homes.csv", tmp_path)
    expected = model.predict(frame)
    pd.testing.assert_frame_equal(predicted, expected, check_dtype=False)
    assert set(predicted["prediction"]) <= {"flat", "house"}
    assert not any("track" in name or "runtime" in name or "package" in name for name in modules)


def test_an_image_model_predicts_raw_arrays(tmp_path: Path) -> None:
    bunch = datasets.load_digits()
    images = bunch.images[:100].astype(np.uint8)
    np.savez(tmp_path / "images.npz", x=images, y=bunch.target[:100])
    source = {"type": "npz", "path": str(tmp_path / "images.npz")}
    layers = [{"type": "flatten"}, {"type": "dense", "units": 10}]
    data = {"source": source, "preprocess": [{"type": "scale"}], "prepared": str(tmp_path / "prepared")}
    config = configuration(tmp_path, source, 10, data=data, model={"layers": layers})
    model, package, folder = packed(config, tmp_path)
    np.testing.assert_array_equal(package.input_example, images[:5])
    np.save(tmp_path / "raw.npy", images)
    predicted, _ = predict_as_stranger(folder, tmp_path / "raw.npy", tmp_path)
    pd.testing.assert_frame_equal(predicted, model.predict(images))
