"""A model's files as MLflow wants them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.entities import LoggedModel
from mlflow.models import Model, ModelSignature
from mlflow.types import DataType
from mlflow.types.schema import AnyType, ColSpec, Schema, TensorSpec
from mlflow.utils import environment

from dist_bp.track.port import ModelPackage
from dist_bp.track.writer import Rejected
from dist_bp.types import Array

DESCRIPTOR = "MLmodel"


def pack(package: ModelPackage, path: Path, model: LoggedModel) -> None:
    """Lay out the model's folder; raises `Rejected`, for nothing here depends on the store."""
    try:
        with _requirements_are_met():
            mlflow.pyfunc.save_model(
                path=str(path),
                python_model=str(package.python_model),
                artifacts={name: str(source) for name, source in package.artifacts.items()},
                signature=_signature(package),
                input_example=package.input_example,
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


def _signature(package: ModelPackage) -> ModelSignature:
    """Types of inputs and outputs.

    Columns are named but take any type: MLflow would refuse whole numbers for a column of floats, or booleans where
    the example has text, and the model's own preprocessing checks the rows. Files are bytes, which a server takes in
    base64. MLflow's own inference logs what it fails at and goes on without it.
    """
    example = package.input_example
    inputs: list[ColSpec] | list[TensorSpec]
    if isinstance(example, pd.DataFrame):
        inputs = [ColSpec(_type_of_input(column), str(name)) for name, column in example.items()]
    elif isinstance(example, dict):
        inputs = [_tensor(array, name) for name, array in example.items()]
    else:
        inputs = [_tensor(example)]
    outputs = [ColSpec(_type_of_output(column), str(name)) for name, column in package.output_example.items()]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _tensor(array: Array, name: str | None = None) -> TensorSpec:
    return TensorSpec(array.dtype, (-1, *array.shape[1:]), name)


def _type_of_input(column: pd.Series) -> DataType | AnyType:
    return DataType.binary if len(column) and isinstance(column.iloc[0], bytes) else AnyType()


def _type_of_output(column: pd.Series) -> DataType:
    if column.dtype.kind in "iu":
        return DataType.long
    if column.dtype.kind == "f":
        return DataType.float if column.dtype.itemsize == 4 else DataType.double
    return DataType.string
