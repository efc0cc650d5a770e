"""`data.source`: where the raw data comes from."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from dist_bp.config.fields import ByType, Custom, Section, Text

Task = Literal["classification", "regression"]


class SklearnSource(Section):
    """A data set that comes with scikit-learn."""

    type: Literal["sklearn"] = Field(description="A data set that comes with scikit-learn.")
    name: Literal["digits", "iris", "wine", "breast_cancer", "diabetes"] = Field(description="Which data set.")


class NpzSource(Section):
    """Two arrays of one .npz file."""

    type: Literal["npz"] = Field(description="Two arrays of one NumPy .npz file.")
    path: Text = Field(description="The .npz file.")
    inputs: Text = Field(default="x", description="Name of the array of inputs, one row a sample.")
    targets: Text = Field(default="y", description="Name of the array of targets.")
    test_path: Text | None = Field(default=None, description="A file of the same form with the test set.")


class NpySource(Section):
    """Two .npy files."""

    type: Literal["npy"] = Field(description="Two NumPy .npy files.")
    inputs: Text = Field(description="File of the inputs, one row a sample.")
    targets: Text = Field(description="File of the targets.")
    test_inputs: Text | None = Field(default=None, description="File of the test set's inputs.")
    test_targets: Text | None = Field(
        default=None, description="File of the test set's targets, given together with test_inputs."
    )

    @field_validator("test_targets")
    @classmethod
    def _both_or_none(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _paired(value, "test_inputs", info)


class IdxSource(Section):
    """Images and labels in the IDX format of MNIST, .gz or not."""

    type: Literal["idx"] = Field(description="Files in the IDX format of the MNIST family, compressed (.gz) or not.")
    images: Text = Field(description="File of the images.")
    labels: Text = Field(description="File of the labels.")
    test_images: Text | None = Field(default=None, description="File of the test set's images.")
    test_labels: Text | None = Field(
        default=None, description="File of the test set's labels, given together with test_images."
    )

    @field_validator("test_labels")
    @classmethod
    def _both_or_none(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _paired(value, "test_images", info)


class TableSource(Section):
    """What the table formats have in common."""

    type: str = Field(description="Which format.")
    path: Text = Field(description="The file of the table.")
    target: Text = Field(description="Column to predict.")
    features: tuple[Text, ...] | None = Field(
        default=None, min_length=1, description="Columns to learn from; null: all but the target."
    )
    categorical: tuple[Text, ...] | None = Field(
        default=None,
        description="Features that are categories; null: the columns that hold text or truth values.",
    )
    missing: Literal["error", "drop", "impute"] = Field(
        default="error",
        description="Missing values: refuse them, drop their rows, or leave them to the impute step.",
    )
    test_path: Text | None = Field(default=None, description="A file of the same form with the test set.")
    task: Task | None = Field(default=None, description="What is predicted; null: told by the target column's values.")

    @field_validator("features")
    @classmethod
    def _target_is_no_feature(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if value and info.data.get("target") in value:
            raise ValueError(f"must not hold the target column {info.data['target']!r}")
        return value

    @field_validator("categorical")
    @classmethod
    def _categories_are_features(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        features = info.data.get("features")
        strangers = [column for column in value or () if features is not None and column not in features]
        if strangers:
            raise ValueError(f"must be among data.source.features, which lacks {', '.join(map(repr, strangers))}")
        return value


class CsvSource(TableSource):
    """A text file of separated values with a header line."""

    type: Literal["csv"] = Field(description="A text file of separated values with a header line.")
    separator: str = Field(default=",", min_length=1, max_length=1, description="The character between two values.")


class ParquetSource(TableSource):
    """A Parquet file."""

    type: Literal["parquet"] = Field(description="A Parquet file.")


class CustomSource(Custom):
    """A function of the user's own.

    It returns (inputs, targets), or a dict with inputs, targets and, if it likes, test_inputs, test_targets,
    feature_names, classes.
    """


Source = Annotated[
    SklearnSource | NpzSource | NpySource | IdxSource | CsvSource | ParquetSource | CustomSource, ByType()
]


def _paired(value: str | None, partner: str, info: ValidationInfo) -> str | None:
    if partner in info.data and (value is None) != (info.data[partner] is None):
        raise ValueError(f"must be given together with {partner}")
    return value
