"""A model as the files that MLflow logs: code, requirements, examples."""

import threading
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from dist_bp import build
from dist_bp.checkpoint import load
from dist_bp.config import JobConfig
from dist_bp.config.trust import code_of_model
from dist_bp.data import Prepared
from dist_bp.data.files import DigestCache
from dist_bp.data.inputs import Raw, is_table
from dist_bp.serve.saved_model import SavedModel
from dist_bp.serve.served import ARTIFACT
from dist_bp.track.port import ModelPackage

REQUIREMENTS = ("numpy", "safetensors", "pandas", "pyyaml", "pydantic")
EXAMPLE_ROWS = 5
PYFUNC_FILE = "pyfunc_model.py"
ARCHIVE = "dist_bp.zip"
# Text, because MLflow executes this file on its own, and dist_bp must be importable without MLflow.
PYFUNC_SOURCE = '''"""The model as MLflow runs it: raw rows in, predictions out."""

import sys
from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

# MLflow puts the model's folder of code on the path, which holds dist_bp in one file.
sys.path[:0] = [str(archive) for folder in sys.path for archive in Path(folder).glob("dist_bp.zip")]

from dist_bp.serve.served import Served


class Model(Served, PythonModel):
    """Loads the artifact "model" and predicts with it."""


set_model(Model())
'''


class Packager:
    """Packs models of one run, each with all it needs to predict in an environment without Ray.

    Args:
        config: the run's own configuration, not a copy in some folder: it may name code.
        prepared: the data of the run. Its source is read once, for the example: raw rows, of the types that it has.
        folder: where the code is written that a model takes along.
    """

    def __init__(self, config: JobConfig, prepared: Prepared, folder: Path) -> None:
        self._config = config
        self._prepared = prepared
        self._folder = folder
        self._first: ModelPackage | None = None
        self._lock = threading.Lock()

    def package(self, directory: Path) -> ModelPackage:
        """The exported model in `directory`. Raises DataError where the source of the data cannot be read any more."""
        with self._lock:
            self._first = self._first or self._package(directory)
        return replace(self._first, artifacts={ARTIFACT: directory})

    def _package(self, directory: Path) -> ModelPackage:
        model = SavedModel(self._config, load(directory, for_resuming=False))
        code = self._folder / PYFUNC_FILE
        code.write_text(PYFUNC_SOURCE, encoding="utf-8")
        example = example_rows(model.config, self._prepared)
        return ModelPackage(
            python_model=code,
            artifacts={ARTIFACT: directory},
            input_example=example,
            output_example=model.predict(example),
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
            code_paths=[archive(Path(build.__file__).parent, self._folder / ARCHIVE), *own_code(model.config)],
        )


def archive(package: Path, path: Path) -> Path:
    """The modules of a package in one file: a server takes milliseconds for each file of a model."""
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        for module in sorted(package.rglob("*.py")):
            file.write(module, module.relative_to(package.parent))
    return path


def example_rows(config: JobConfig, prepared: Prepared) -> Raw:
    """The first raw rows of the source; a table's columns as plain NumPy types, as pandas reads them by default."""
    opened = build.build_source(config).open(DigestCache(prepared.directory.parent))
    inputs = opened.load().samples.inputs
    if not is_table(inputs):
        rows = np.array(inputs[:EXAMPLE_ROWS])
        return rows.astype(rows.dtype.newbyteorder("="), copy=False)
    return inputs.astype({name: _plain(inputs[name]) for name in inputs.columns})[:EXAMPLE_ROWS]


def own_code(config: JobConfig) -> list[Path]:
    """Files or folders of the user's modules that layers and loss come from."""
    names = {name.partition(":")[0].partition(".")[0] for name in code_of_model(config)}
    paths = []
    for name in sorted(names):
        spec = find_spec(name)
        if spec and spec.origin:
            origin = Path(spec.origin)
            paths.append(origin.parent if spec.submodule_search_locations else origin)
    return paths


def _plain(column: Any) -> Any:
    """Whole numbers with missing values are floats in NumPy, text is objects."""
    if column.dtype.kind not in "iuf":
        return object
    if column.isna().any():
        return np.float64
    return getattr(column.dtype, "numpy_dtype", column.dtype)
