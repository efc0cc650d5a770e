"""The fitted preprocessing: from raw samples to what a network takes; saved with the model as JSON."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp.data.categories import Vocabulary
from dist_bp.data.coded import MOST_CHANNELS
from dist_bp.data.conform import conform
from dist_bp.data.inputs import (
    ONLY,
    Block,
    Described,
    Features,
    Inputs,
    Raw,
    by_name,
    features_from_json,
    features_to_json,
    row_at,
    rows_per_block,
)
from dist_bp.data.media.medium import medium_of
from dist_bp.data.media.raw import decode_raw
from dist_bp.data.media.state import decoder_of
from dist_bp.data.preprocess.affine import Affine
from dist_bp.data.preprocess.bag_of_words import Bag
from dist_bp.data.preprocess.base import Preprocessor, Transform
from dist_bp.data.preprocess.categories import Codes
from dist_bp.data.preprocess.checks import check_coded, check_steps
from dist_bp.data.preprocess.form import Form
from dist_bp.data.preprocess.impute import Fill
from dist_bp.data.preprocess.integers import Whole
from dist_bp.data.preprocess.learnt import Coding
from dist_bp.data.preprocess.one_hot import Indicators
from dist_bp.data.preprocess.tokenize import Tokens
from dist_bp.data.samples import RaggedArray, Stored
from dist_bp.data.targets import Label, Targets
from dist_bp.data.text.tokenizer import Tokenizer
from dist_bp.data.unseen import Unseen
from dist_bp.errors import DataError
from dist_bp.foreign import checked
from dist_bp.messages import one_line
from dist_bp.signals import Field, Spec
from dist_bp.types import Array, DType

if TYPE_CHECKING:
    from dist_bp.media.decoder import Decoder

FORMAT = 4
KINDS: dict[str, Any] = {kind.kind: kind for kind in (Affine, Indicators, Fill, Codes, Whole, Tokens, Bag)}


class Pipeline:
    """Transforms for inputs of `features`, and the coding of the targets; `dtype` is the model's.

    With a `decoder` raw inputs are images, which it makes arrays of the shape of `features` of, or a table with a
    column of them. With a `context` samples are stretches of so many tokens of a text, and targets the tokens that
    follow. Raises ValueError where the transforms do not fit each other.
    """

    def __init__(
        self,
        features: Described,
        transforms: Sequence[Transform],
        targets: Targets,
        dtype: DType,
        decoder: "Decoder | None" = None,
        context: int | None = None,
    ) -> None:
        self.decoder = decoder
        self.context = context
        if context is not None and (context < 1 or [type(one) for one in transforms] != [Tokens]):
            raise ValueError("stretches of a text need tokens alone, one at least")
        self.features = features
        self.transforms = tuple(transforms)
        self.targets = targets
        self.dtype = dtype
        form = Form.of(features)
        for transform in transforms:
            form = transform.after(form)
        self._form = form
        by_value = {name for one in by_name(features).values() for name in one.by_value}
        self._learnt = {
            name: Vocabulary(categories, name in by_value)
            for transform in transforms
            if isinstance(transform, Coding)
            for name, categories in transform.categories.items()
        }

    @classmethod
    def fit(
        cls,
        preprocessors: Sequence[Preprocessor],
        features: Described,
        inputs: Inputs,
        rows: Array,
        targets: Targets,
        dtype: DType,
        decoder: "Decoder | None" = None,
    ) -> "Pipeline":
        """Fits the preprocessors in their order to the samples `rows` of `inputs`; raises DataError.

        A categorical column that none makes numbers of is an error.
        """
        form = Form.of(features)
        check_steps(preprocessors, form)
        at_a_time = rows_per_block(inputs.width, len(form.texts))
        transforms: list[Transform] = []

        def blocks() -> Iterator[Block]:
            for block in inputs.blocks(rows, at_a_time):
                yield _apply(transforms, block)

        for preprocessor in preprocessors:
            transforms.append(preprocessor.fit(form, blocks))
            form = transforms[-1].after(form)
            if isinstance(transforms[-1], Bag):
                at_a_time = min(at_a_time, rows_per_block(math.prod(form.inputs[ONLY].shape)))
        check_coded(form, inputs, features)
        return cls(features, transforms, targets, dtype, decoder)

    def with_targets(self, **learnt: Any) -> "Pipeline":
        """The same with more that training has taught about the targets, such as `threshold` or `counts`."""
        targets = replace(self.targets, **learnt)
        return Pipeline(self.features, self.transforms, targets, self.dtype, self.decoder, self.context)

    def knowing(self, training: Unseen) -> "Pipeline":
        """The same for a training split of whose texts that became."""
        transforms = [one.knowing(training) for one in self.transforms]
        return Pipeline(self.features, transforms, self.targets, self.dtype, self.decoder, self.context)

    @property
    def only(self) -> Features | None:
        """What the one input of a sample is made of; None where there are several."""
        return self.features if isinstance(self.features, Features) else None

    @property
    def inputs(self) -> Spec:
        """One sample as the network takes it."""
        spec = self._form.spec
        if self.context is not None and isinstance(spec, Field):
            return replace(spec, longest=self.context)
        return spec

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the network's numbers, where it takes nothing else and they have any: one-hot columns are
        "column=category"."""
        return self._form.inputs[ONLY].names if [*self._form.inputs] == [ONLY] else None

    @property
    def classes(self) -> list[Label] | None:
        """The classes by label, as they occur in the data or as the source named them."""
        return None if self.targets.classes is None else list(self.targets.classes)

    @property
    def tokenizer(self) -> Tokenizer | None:
        """What cuts the one text that samples are, or are stretches of; None where they are something else."""
        steps = [one for one in self.transforms if isinstance(one, Tokens)]
        return steps[0].tokenizer if len(steps) == 1 and self.only and self.only.text == self.only.names else None

    @property
    def libraries(self) -> list[str]:
        """What it needs beside NumPy and pandas."""
        by_library = any(isinstance(one, Tokens) and one.tokenizer.kind == "library" for one in self.transforms)
        of_files = medium_of(self.decoder.many).libraries if self.decoder else ()
        return [*of_files, *["tokenizers"] * by_library]

    def transform(self, raw: Raw) -> Stored:
        """Raw samples as `inputs` describes them: a contiguous array (n, *shape) of the model's dtype or of int64, a
        `RaggedArray`, or a dict of them.

        `raw` is an array (n, *raw shape), samples of different lengths, a dict of such inputs by their names, a
        DataFrame with at least the columns of the training data, or a list of dicts with them. Raises DataError,
        naming missing inputs and columns and the first value that is missing, infinite or too large for the dtype.
        """
        inputs = self.conform(raw)
        return self.apply(inputs, np.arange(len(inputs)))

    def conform(self, raw: Raw) -> Inputs:
        """Raw samples in the form that `apply` takes, with the categories of training; raises DataError."""
        if self.decoder:
            raw = decode_raw(raw, self.decoder, self.features)
        return conform(raw, self.features, self._learnt)

    def apply(self, inputs: Inputs, rows: Array, as_bytes: bool = False, unseen: Unseen | None = None) -> Stored:
        """`transform` of the samples at ascending indices `rows`.

        With `as_bytes` inputs of bytes that a table of `tables` turns into numbers stay bytes. `unseen` takes the
        categories that training has not seen, and what became of texts.
        """
        block = inputs.block(rows)
        with np.errstate(over="ignore", invalid="ignore"):
            for place, transform in enumerate(self.transforms):
                name = transform.input
                if as_bytes and name is not None and place in self._left_to_tables and _is_bytes(block, name):
                    continue
                block = transform.transform(block) if unseen is None else transform.observed(block, unseen)
            done = {outside: self._finish(block, name, as_bytes) for name, outside in self._form.names.items()}
        return done.get(ONLY, done)

    def _finish(self, block: Block, name: str, as_bytes: bool) -> Array | RaggedArray:
        """An input in the type that the network takes, or as bytes."""
        stays = as_bytes and name in self.tables and _is_bytes(block, name)
        if self._form.inputs[name].count is None and not stays:
            done = block.numbers(name).astype(self.dtype)
            self._check_finite(block, name, done)
            block.put(name, done)
        return block.inputs[name]

    def _check_finite(self, block: Block, name: str, done: Array) -> None:
        if np.isfinite(done).all():
            return
        place, *position = map(int, np.argwhere(~np.isfinite(done))[0])
        where = self._form.inputs[name].name_at(tuple(position))
        value = float(block.values(name)[place, *position])
        reason = "is missing (NaN): give the value, or fill it with an impute step in data.preprocess"
        if not math.isnan(value):
            reason = f"is {value:g}, which is not finite in {self.dtype}"
        raise DataError(f"{where} of {row_at(block.row_of(name, place))} {reason}")

    @cached_property
    def tables(self) -> Mapping[str, Array]:
        """What bytes become in each input whose last steps treat all positions alike: (256,), or (256, channels) where
        they differ by channel."""
        found = {}
        for name, part in self._form.inputs.items():
            steps = [*self._last(name).values()]
            channels = part.shape[-1:] if any(step.axes for step in steps) else ()
            alike = all(step.axes <= 1 for step in steps) and math.prod(channels) <= MOST_CHANNELS
            if not alike or part.ragged or part.names or part.count is not None:
                continue
            table = np.empty((256, *channels))
            table[:] = np.arange(256).reshape(256, *(1 for _ in channels))
            with np.errstate(all="ignore"):
                for step in steps:
                    step.change(table)
                cast = table.astype(self.dtype)
            if np.isfinite(cast).all():
                found[name] = cast
        return found

    @cached_property
    def _left_to_tables(self) -> set[int]:
        """Places of the transforms that the tables stand for."""
        return {place for name in self.tables for place in self._last(name)}

    def _last(self, name: str) -> dict[int, Affine]:
        """The transforms, by their place, that come last for an input, as far as each shifts and scales."""
        own = [(place, step) for place, step in enumerate(self.transforms) if step.input == name]
        last = takewhile(lambda one: isinstance(one[1], Affine), reversed(own))
        return {place: step for place, step in reversed([*last]) if isinstance(step, Affine)}

    def encode_targets(self, raw: Any) -> Stored:
        """Labels as int64, or floats of the model's dtype, see `Targets`; raises DataError."""
        return self.targets.encode(raw)

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "dtype": self.dtype,
            "decoder": self.decoder and self.decoder.to_json(),
            "features": features_to_json(self.features),
            "steps": [{"kind": transform.kind, **transform.to_dict()} for transform in self.transforms],
            "targets": self.targets.to_dict(),
            "context": self.context,
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> "Pipeline":
        """Raises DataError where `state` is not what `to_dict` of this version gives."""
        if state.get("format") != FORMAT:
            raise DataError(f"the pipeline has the format {state.get('format')!r}, this version reads {FORMAT}")
        try:
            transforms = [KINDS[fitted["kind"]].from_dict(fitted) for fitted in state["steps"]]
            features, targets = features_from_json(state["features"]), Targets.from_dict(state["targets"])
            decoder = decoder_of(state["decoder"], features)
            context = checked(int | None, state.get("context"))
            made = cls(features, transforms, targets, checked(DType, state["dtype"]), decoder, context)
            made._try_on_nothing()
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, MemoryError) as error:
            raise DataError(f"the pipeline is not what this version writes: {one_line(error)}") from error
        return made

    def _try_on_nothing(self) -> None:
        """Whether the parts fit each other shows where they meet. Raises ValueError."""
        form = Form.of(self.features)
        arrays = {
            name: RaggedArray(np.empty((0, *part.shape)), np.zeros(1, np.int64))
            if part.ragged
            else np.empty((0, *part.shape))
            for name, part in form.inputs.items()
        }
        made = self.apply(Inputs(arrays, np.empty((0, len(form.texts)), object)), np.arange(0))
        spec = self.inputs
        for name, field in {ONLY: spec}.items() if isinstance(spec, Field) else spec.items():
            found = made if name == ONLY else made[name]
            shape = (found.values if field.ragged else found).shape[1:]
            if shape != field.shape:
                raise ValueError(f"the steps make samples of {shape}, not {field.shape}")
        if self.targets.ragged and not any(part.ragged for part in self._form.inputs.values()):
            raise ValueError("the targets are ragged and no input is")
        self.targets.undo(np.empty((0, *self.targets.shape)))


def _apply(transforms: Sequence[Transform], block: Block) -> Block:
    for transform in transforms:
        block = transform.transform(block)
    return block


def _is_bytes(block: Block, name: str) -> bool:
    return block.values(name).dtype == np.uint8
