"""A model's files as MLflow wants them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import numpy as np
from mlflow.entities import LoggedModel
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.types import DataType
from mlflow.types.schema import AnyType, ColSpec, Schema
from mlflow.utils import environment

from dist_bp.track.port import ModelPackage
from dist_bp.track.writer import Rejected

DESCRIPTOR = "MLmodel"


def pack(package: ModelPackage, path: Path, model: LoggedModel) -> None:
    """Lay out the model's folder; raises `Rejected`, for nothing here depends on the store."""
    try:
        signature = _signature(package)
        with _requirements_are_met():
            mlflow.pyfunc.save_model(
                path=str(path),
                python_model=str(package.python_model),
                artifacts={name: str(source) for name, source in package.artifacts.items()},
                signature=signature,
                input_example=package.input_example if signature else None,
                pip_requirements=list(package.pip_requirements),
                code_paths=[str(source) for source in package.code_paths] or None,
                mlflow_model=Model(
                    artifact_path=model.artifact_location,
                    run_id=model.source_run_id,
                    model_uuid=model.model_id,
                    model_id=model.model_id,
                ),
            )
    except Exception as error:
        raise Rejected(str(error)) from error


def repack(template: Path, package: ModelPackage, path: Path, model: LoggedModel) -> None:
    """As `pack`, from the folder made of a package with other artifacts: in milliseconds instead of a second."""
    shutil.copytree(template, path, ignore=shutil.ignore_patterns("artifacts"))
    descriptor = Model.load(str(template / DESCRIPTOR))
    descriptor.artifact_path = model.artifact_location
    descriptor.model_id = descriptor.model_uuid = model.model_id
    descriptor.utc_time_created = str(datetime.now(UTC).replace(tzinfo=None))
    for name, artifact in descriptor.flavors["python_function"]["artifacts"].items():
        artifact["uri"] = str(package.artifacts[name])
        shutil.copytree(package.artifacts[name], path / artifact["path"])
    descriptor.save(str(path / DESCRIPTOR))


@contextmanager
def _requirements_are_met() -> Iterator[None]:
    """They are what is installed. MLflow would read what files each installed package has to see that."""
    check = environment.warn_dependency_requirement_mismatches
    environment.warn_dependency_requirement_mismatches = lambda _: None
    try:
        yield
    finally:
        environment.warn_dependency_requirement_mismatches = check


def _signature(package: ModelPackage) -> ModelSignature | None:
    """Types of inputs and outputs; None for samples of different lengths, which MLflow would make a table of.

    Columns are named but take any type: MLflow would refuse whole numbers for a column of floats, or booleans where
    the example has text, and the model's own preprocessing checks the rows. Files are bytes, which a server takes in
    base64.
    """
    example = package.input_example
    several = example.values() if isinstance(example, dict) else [example]
    if any(isinstance(one, list) and one and isinstance(one[0], np.ndarray) for one in several):
        return None
    signature = infer_signature(package.input_example, package.output_example)
    if signature.inputs.is_tensor_spec():
        return signature
    columns = [
        column if column.type is DataType.binary else ColSpec(AnyType(), name=column.name)
        for column in signature.inputs.inputs
    ]
    return ModelSignature(inputs=Schema(columns), outputs=signature.outputs)
