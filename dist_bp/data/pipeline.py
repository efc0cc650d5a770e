"""The fitted preprocessing: from raw samples to the arrays a network takes; saved with the model as JSON."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dist_bp.data.categories import Vocabulary
from dist_bp.data.inputs import Block, Features, Inputs, Raw, conform, row_at, rows_per_block
from dist_bp.data.preprocess.affine import Affine
from dist_bp.data.preprocess.base import Form, Preprocessor, Transform
from dist_bp.data.preprocess.impute import Fill
from dist_bp.data.preprocess.one_hot import Indicators
from dist_bp.data.targets import Label, Targets
from dist_bp.errors import DataError
from dist_bp.foreign import checked
from dist_bp.messages import one_line
from dist_bp.types import Array, DType, Shape

FORMAT = 3
KINDS: dict[str, type[Affine] | type[Indicators] | type[Fill]] = {
    kind.kind: kind for kind in (Affine, Indicators, Fill)
}


class Pipeline:
    """Transforms for inputs of `features`, and the coding of the targets; `dtype` is the model's."""

    def __init__(self, features: Features, transforms: Sequence[Transform], targets: Targets, dtype: DType) -> None:
        self.features = features
        self.transforms = tuple(transforms)
        self.targets = targets
        self.dtype = dtype
        form = Form.of(features)
        for transform in transforms:
            form = transform.after(form)
        self._form = form
        self._learnt = {
            name: Vocabulary(categories, name in features.by_value)
            for transform in transforms
            if isinstance(transform, Indicators)
            for name, categories in transform.categories.items()
        }

    @classmethod
    def fit(
        cls,
        preprocessors: Sequence[Preprocessor],
        features: Features,
        inputs: Inputs,
        rows: Array,
        targets: Targets,
        dtype: DType,
    ) -> "Pipeline":
        """Fits the preprocessors in their order to the samples `rows` of `inputs`; raises DataError.

        A categorical column that none makes numbers of is an error.
        """
        form = Form.of(features)
        problems = [problem for preprocessor in preprocessors for problem in preprocessor.problems(form)]
        if problems:
            raise DataError(problems)
        at_a_time = rows_per_block(math.prod(form.shape), len(form.texts))
        transforms: list[Transform] = []

        def blocks() -> Iterator[Block]:
            for block in inputs.blocks(rows, at_a_time):
                yield _apply(transforms, block)

        for preprocessor in preprocessors:
            transforms.append(preprocessor.fit(form, blocks))
            form = transforms[-1].after(form)
        if form.texts:
            raise DataError(_uncoded(form.texts, inputs, features))
        return cls(features, transforms, targets, dtype)

    def deciding(self, threshold: float) -> "Pipeline":
        """The same with a threshold between two classes."""
        return Pipeline(self.features, self.transforms, replace(self.targets, threshold=threshold), self.dtype)

    @property
    def input_shape(self) -> Shape:
        """Shape of one sample as the network takes it."""
        return self._form.shape

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the network's inputs, where they have any: one-hot columns are "column=category"."""
        return self._form.names

    @property
    def classes(self) -> list[Label] | None:
        """The classes by label, as they occur in the data or as the source named them."""
        return None if self.targets.classes is None else list(self.targets.classes)

    def transform(self, raw: Raw) -> Array:
        """Raw samples as a contiguous array (n, *input_shape) of the model's dtype.

        `raw` is an array (n, *raw shape), a DataFrame with at least the columns of the training data, or a list of
        dicts with them. Raises DataError, naming missing columns and the first value that is missing, infinite or
        too large for the dtype.
        """
        inputs = self.conform(raw)
        return self.apply(inputs, np.arange(len(inputs)))

    def conform(self, raw: Raw) -> Inputs:
        """Raw samples in the form that `apply` takes, with the categories of training; raises DataError."""
        return conform(raw, self.features, self._learnt)

    def apply(self, inputs: Inputs, rows: Array) -> Array:
        """`transform` of the samples at ascending indices `rows`."""
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = _apply(self.transforms, inputs.block(rows)).numbers
            done = numbers.astype(self.dtype)
        if not np.isfinite(done).all():
            row, *position = map(int, np.argwhere(~np.isfinite(done))[0])
            where = self._form.name_at(tuple(position))
            value = float(numbers[row, *position])
            reason = "is missing (NaN): give the value, or fill it with an impute step in data.preprocess"
            if not math.isnan(value):
                reason = f"is {value:g}, which is not finite in {self.dtype}"
            raise DataError(f"{where} of {row_at(rows[row])} {reason}")
        return done

    def encode_targets(self, raw: Any) -> Array:
        """Labels as int64 (n,), or floats (n, k) of the model's dtype; raises DataError."""
        return self.targets.encode(raw)

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "dtype": self.dtype,
            "features": self.features.to_dict(),
            "steps": [{"kind": transform.kind, **transform.to_dict()} for transform in self.transforms],
            "targets": self.targets.to_dict(),
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> "Pipeline":
        """Raises DataError where `state` is not what `to_dict` of this version gives."""
        if state.get("format") != FORMAT:
            raise DataError(f"the pipeline has the format {state.get('format')!r}, this version reads {FORMAT}")
        try:
            transforms = [KINDS[fitted["kind"]].from_dict(fitted) for fitted in state["steps"]]
            features, targets = Features.from_dict(state["features"]), Targets.from_dict(state["targets"])
            made = cls(features, transforms, targets, checked(DType, state["dtype"]))
            made._try_on_nothing()
        except (LookupError, TypeError, ValueError, AttributeError, MemoryError) as error:
            raise DataError(f"the pipeline is not what this version writes: {one_line(error)}") from error
        return made

    def _try_on_nothing(self) -> None:
        """Whether the parts fit each other shows where they meet. Raises ValueError."""
        form = Form.of(self.features)
        numbers = np.empty((0, *form.shape))
        made = self.apply(Inputs(numbers, np.empty((0, len(form.texts)), object)), np.arange(0))
        if made.shape != (0, *self.input_shape):
            raise ValueError(f"the steps make {made.shape[1:]} of {form.shape}, not {self.input_shape}")
        self.targets.undo(np.empty((0, *self.targets.shape)))


def _apply(transforms: Sequence[Transform], block: Block) -> Block:
    for transform in transforms:
        block = transform.transform(block)
    return block


def _uncoded(names: Sequence[str], inputs: Inputs, features: Features) -> list[str]:
    problems = []
    for name in names:
        column = inputs.texts[:, features.categorical.index(name)]
        row, text = next(((i, text) for i, text in enumerate(column) if not _is_number(text)), (0, column[0]))
        problems.append(
            f"column {name!r} holds categories ({text!r} in {row_at(row)}): add {{type: one_hot}} to "
            "data.preprocess, or leave the column out with data.source.features"
        )
    return problems


def _is_number(text: str | None) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
