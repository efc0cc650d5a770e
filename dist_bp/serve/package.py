"""A model as the files that MLflow logs: code, requirements, examples."""

import threading
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from dist_bp import build
from dist_bp.checkpoint import load
from dist_bp.config import JobConfig
from dist_bp.config.trust import code_of_model
from dist_bp.data import Prepared
from dist_bp.serve.columns import from_mlflow, to_mlflow
from dist_bp.serve.find import ARTIFACT
from dist_bp.serve.saved_model import SavedModel
from dist_bp.track.port import ModelPackage

REQUIREMENTS = ("numpy", "safetensors", "pandas", "pyyaml", "pydantic")
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
        prepared: the data of the run, which has raw rows for the example.
        folder: where the code is written that a model takes along.
    """

    def __init__(self, config: JobConfig, prepared: Prepared, folder: Path) -> None:
        self._config = config
        self._prepared = prepared
        self._folder = folder
        self._first: ModelPackage | None = None
        self._lock = threading.Lock()

    def package(self, directory: Path) -> ModelPackage:
        """The exported model in `directory`. Raises DataError where the prepared data is damaged."""
        with self._lock:
            self._first = self._first or self._package(directory)
        return replace(self._first, artifacts={ARTIFACT: directory})

    @property
    def _requirements(self) -> tuple[str, ...]:
        return (*REQUIREMENTS, *self._prepared.pipeline.libraries)

    def _package(self, directory: Path) -> ModelPackage:
        model = SavedModel(self._config, load(directory, for_resuming=False))
        code = self._folder / PYFUNC_FILE
        code.write_text(PYFUNC_SOURCE, encoding="utf-8")
        example = to_mlflow(self._prepared.example(), model.pipeline)
        return ModelPackage(
            python_model=code,
            artifacts={ARTIFACT: directory},
            input_example=example,
            output_example=model.predict(from_mlflow(example, model.pipeline)),
            pip_requirements=[f"{name}=={version(name)}" for name in self._requirements],
            code_paths=[archive(Path(build.__file__).parent, self._folder / ARCHIVE), *own_code(model.config)],
        )


def archive(package: Path, path: Path) -> Path:
    """The modules of a package in one file: a server takes milliseconds for each file of a model."""
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        for module in sorted(package.rglob("*.py")):
            file.write(module, module.relative_to(package.parent))
    return path


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
