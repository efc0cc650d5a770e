"""Images and sounds as users hand them over to a model."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp.data.conform import rows_with
from dist_bp.data.inputs import ONLY, Described, Features, Raw, array_in, is_named, is_table, table_in
from dist_bp.data.media.files import media_files
from dist_bp.data.media.medium import Medium, medium_of
from dist_bp.data.samples import RaggedArray
from dist_bp.errors import DataError
from dist_bp.media.decoder import Unlike
from dist_bp.types import Array

if TYPE_CHECKING:
    from dist_bp.media.crew import Decoded
    from dist_bp.media.decoder import Decoder


@dataclass(frozen=True)
class Ready:
    """Files that are decoded already: samples of what the decoder makes."""

    arrays: Array | RaggedArray

    def __len__(self) -> int:
        return len(self.arrays)


def decode_raw(raw: Raw, decoder: "Decoder", features: Described) -> Raw:
    """Raw inputs with arrays in place of images or sounds, as `features` describes them.

    Images are a list of paths, bytes of files, arrays or images of Pillow; an array (n, height, width) or (n, height,
    width, channels) of uint8; sounds a list of paths, bytes of files, or pairs of an array and its rate. Either may be
    a table with one column of such. Where the network takes a table beside them they are a column of it. Raises
    DataError; warns where sounds had to be converted.
    """
    name, one = array_in(features)
    medium = medium_of(decoder.many)
    if (table := table_in(features)) is None:
        return _arrays(raw, decoder, medium, one)
    if not (is_named(raw) and ONLY in raw):
        raw = rows_with(raw, (name, *(table.names or ())))
        raw = {ONLY: raw, name: raw[name]}
    return {ONLY: raw[ONLY], name: _arrays(raw[name], decoder, medium, one)}


def with_rate(raw: Raw, rate: int, decoder: "Decoder | None") -> list[Any]:
    """Arrays of samples, a sound each, as pairs of an array and its rate; raises DataError."""
    if decoder is None or decoder.many != "sounds":
        raise DataError("a rate is for models of sounds")
    if isinstance(raw, RaggedArray):
        raw = np.split(raw.values, raw.offsets[1:-1])
    if not isinstance(raw, list | tuple | np.ndarray) or not all(isinstance(one, list | np.ndarray) for one in raw):
        raise DataError("a rate is for several sounds in arrays: give a list of them, or an array with one in each row")
    return [(np.asarray(one), rate) for one in raw]


def alike(one: "Decoded", decoder: "Decoder", features: Features, name: str) -> "Decoded":
    """What became of a file, or what is wrong with it: also what makes it another kind of sample than in training."""
    if isinstance(one, DataError):
        return one
    shape = one.shape if isinstance(one, Unlike) else decoder.packed(one)[0].shape
    problem = medium_of(decoder.many).misfit(shape, features)
    return DataError(f"{name} {problem}") if problem else one


def example_files(raw: Raw, decoder: "Decoder", most: int) -> Any:
    """A table of the first `most` samples whose files can be read, as small files that a model takes."""
    import pandas as pd

    from dist_bp.media.decoder import Unreadable

    medium = medium_of(decoder.many)
    files: dict[int, bytes] = {}
    for row, item in enumerate(media_files(raw) or ()):
        if len(files) == most:
            break
        with suppress(Unreadable):
            files[row] = medium.example(item, decoder)
    column = pd.Series([*files.values()], dtype=object)
    if not is_named(raw):
        return pd.DataFrame({medium.kind.noun: column})
    (name,) = (name for name in raw if name != ONLY)
    return raw[ONLY].iloc[[*files]].reset_index(drop=True).assign(**{name: column})


def _arrays(raw: Raw, decoder: "Decoder", medium: Medium, features: Features) -> Array | RaggedArray:
    """Raises DataError for all that cannot be read, or are not as in training."""
    from dist_bp.data.media.findings import first_of
    from dist_bp.media.crew import decode_one

    if isinstance(raw, Ready):
        return raw.arrays
    several = f"the model takes several {medium.kind.many} at once: give a list of {medium.forms}"
    if medium.alone(raw, features):
        shape = f" {raw.shape}" if hasattr(raw, "shape") else ""
        raise DataError(f"{several}; this array{shape} looks like one {medium.kind.noun}: give [array]")
    findings, arrays, problems = medium.findings(False, "", decoder), [], []
    for row, item in enumerate(_items(raw, medium, several)):
        name = decoder.name_of(item)
        name = f"{medium.kind.noun} {row} (counted from 0)" if name == medium.kind.one else name
        one = alike(decode_one(decoder, item, name), decoder, features, name)
        findings.take(name, one)
        if isinstance(one, DataError):
            problems.append(str(one))
        else:
            arrays.append(decoder.packed(one)[0])
    if problems:
        raise DataError(first_of(problems, medium.kind))
    for line in findings.notes:
        warnings.warn(line, stacklevel=2)
    return medium.joined(arrays, features)


def _items(raw: Any, medium: Medium, several: str) -> Sequence[Any]:
    if is_table(raw):
        _check_one(raw.shape[1], medium)
        return list(raw.iloc[:, 0])
    if isinstance(raw, str | bytes | Path) or not hasattr(raw, "__len__"):
        raise DataError(several)
    items = list(raw)
    if items and isinstance(items[0], dict):
        names = {name for row in items for name in row}
        _check_one(len(names), medium)
        (name,) = names
        return [row.get(name) for row in items]
    return items


def _check_one(columns: int, medium: Medium) -> None:
    if columns != 1:
        raise DataError(f"the model takes {medium.kind.many}: give one column of {medium.forms}, not {columns}")
