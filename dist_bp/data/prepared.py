"""Prepared data: a directory of memory-mapped arrays, named by the digest of all that made them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from dist_bp.data.example import read_example
from dist_bp.data.files import DigestCache
from dist_bp.data.inputs import Raw, row_at
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.samples import SampleStore, Stored
from dist_bp.data.storing import mapped, open_fields
from dist_bp.data.text.long import stretches
from dist_bp.errors import DataError
from dist_bp.signals import Field, Spec
from dist_bp.types import Array, DType, Shape, Task

FORMAT = 6
SCHEMA, PIPELINE = "schema.json", "pipeline.json"
INPUTS, TARGETS, WEIGHTS = "inputs", "targets", "weights"
NAMES = "names.json"
TOKENS = "tokens.npy"
"""All of a split of one long text."""


@dataclass(frozen=True)
class Schema:
    """What the prepared arrays hold.

    `inputs` describes one sample, `target_shape` is that of its target, of a position where targets are `ragged`;
    `classes` name the labels, None if targets are floats;
    `feature_names` name flat inputs where they have names; `own_test` says that the source gave the test set itself.
    """

    inputs: Spec
    target_shape: Shape
    task: Task
    classes: tuple[str, ...] | None
    feature_names: tuple[str, ...] | None
    dtype: DType
    own_test: bool
    ragged: bool = False

    @property
    def target(self) -> Field:
        """What a target is, as a loss asks for it."""
        if self.classes is None:
            return Field(self.target_shape, "float", self.ragged)
        return Field(self.target_shape, "int", self.ragged, len(self.classes))

    @classmethod
    def of(cls, pipeline: Pipeline, own_test: bool) -> "Schema":
        return cls(
            inputs=pipeline.inputs,
            target_shape=pipeline.targets.shape,
            task=pipeline.targets.task,
            classes=None if pipeline.classes is None else tuple(map(str, pipeline.classes)),
            feature_names=pipeline.feature_names,
            dtype=pipeline.dtype,
            own_test=own_test,
            ragged=pipeline.targets.ragged,
        )


@dataclass(frozen=True)
class Prepared:
    """An opened directory of prepared data.

    `digest` is that of all that made it, `source_digest` of the content alone; `splits` are
    the numbers of samples of the splits there are, "train" always among them; `notes` are lines on what the source
    took its data for.
    """

    directory: Path
    digest: str
    source_digest: str
    schema: Schema
    pipeline: Pipeline
    splits: dict[str, int]
    notes: tuple[str, ...] = ()

    @classmethod
    def open(cls, directory: str | Path, checked: bool = False) -> "Prepared":
        """Files that changed since they were last looked at are read as a whole and compared with what was written,
        unless somebody has `checked` them.

        Raises DataError where the directory is not prepared data, or not all of it.
        """
        directory = Path(directory)
        cache = DigestCache(directory.parent)
        try:
            record = json.loads((directory / SCHEMA).read_text())
            if record["format"] != FORMAT or record["digest"][:16] != directory.name:
                raise ValueError("it was made by another version or is not what its name says")
            for name, digest in record["files"].items():
                found = digest if checked else cache.of_file(str(directory / name))
                if not (directory / name).is_file() or found != digest:
                    raise ValueError(f"{name} is not what was written")
            state = json.loads((directory / PIPELINE).read_text())
            pipeline = Pipeline.from_dict(state)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{directory} does not hold prepared data that can be used: {error}; remove it, it is made anew"
            ) from error
        schema = Schema.of(pipeline, record["own_test"])
        facts = record["digest"], record["source_digest"], schema, pipeline, record["splits"]
        return cls(directory, *facts, tuple(record.get("notes", ())))

    @property
    def measured_inputs(self) -> Spec:
        """The inputs of the schema with the longest sample of all splits, where they are ragged."""
        stores = [self.split(name).inputs for name in self.splits]
        if isinstance(self.schema.inputs, Field):
            return measured(self.schema.inputs, stores)
        return {name: measured(field, [store[name] for store in stores]) for name, field in self.schema.inputs.items()}

    def split(self, name: str) -> SampleStore:
        """The samples of a split, mapped read-only, as `schema` describes them.

        Raises KeyError for a split that is not in `splits`.
        """
        self.splits[name]
        folder = self.directory / name
        if self.pipeline.context is not None:
            return stretches(mapped(folder / TOKENS), self.pipeline.context)
        inputs = open_fields(folder / INPUTS, self.schema.inputs, self.pipeline.tables)
        weights = folder / f"{WEIGHTS}.npy"
        return SampleStore(
            inputs,
            open_fields(folder / TARGETS, self.schema.target, {}),
            np.array(mapped(weights)) if weights.exists() else None,
        )

    def names(self, split: str, places: Array) -> list[str]:
        """What messages call samples of a split: their files, or their rows in the data, where these were kept."""
        path = self.directory / split / NAMES
        kept = json.loads(path.read_text()) if path.exists() else None
        return [kept[place] if kept else f"sample {place} of the split" for place in places.tolist()]

    def example(self) -> Raw:
        """The first raw rows of the source, an array or a DataFrame. Raises DataError where they are lost."""
        try:
            return read_example(self.directory)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.directory} has lost its example rows: {error}; remove it, it is made anew"
            ) from error


def measured(field: Field, stores: Sequence[Stored]) -> Field:
    """A field with the longest sample of these, where it is ragged."""
    if not field.ragged:
        return field
    return replace(field, longest=max(int(np.diff(stored.offsets).max(initial=0)) for stored in stores))


def write_names(folder: Path, rows: Array, files: Sequence[str] | None) -> None:
    """Keeps in the folder of a split which rows of the data its samples are, or which of the `files`."""
    found = [row_at(row) if files is None else files[row] for row in rows.tolist()]
    (folder / NAMES).write_text(json.dumps(found))


def write_records(
    directory: Path,
    digest: str,
    source_digest: str,
    pipeline: Pipeline,
    own_test: bool,
    splits: dict[str, int],
    notes: Sequence[str] = (),
) -> None:
    """Describes the arrays already in `directory`, last of all: what has no description is not complete."""
    (directory / PIPELINE).write_text(json.dumps(pipeline.to_dict(), allow_nan=False))
    cache = DigestCache(directory.parent)
    written = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    files = {str(path.relative_to(directory)): cache.of_file(str(path)) for path in written}
    record = {
        "format": FORMAT,
        "digest": digest,
        "source_digest": source_digest,
        "own_test": own_test,
        "splits": splits,
        "notes": list(notes),
        "schema": asdict(Schema.of(pipeline, own_test)),
        "files": files,
    }
    (directory / SCHEMA).write_text(json.dumps(record, indent=2))
