"""The fields of prepared samples as files: an array each, and for ragged ones the offsets beside it."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from dist_bp.data.coded import Coded
from dist_bp.data.samples import RaggedArray, Stored
from dist_bp.signals import Field, Spec
from dist_bp.types import Array


class ArrayFile:
    """A .npy file that grows. It is written, not mapped: a full disk is then an error and not a fatal signal.

    Its header is as long for any number of rows, and is written last.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = 0
        self._first: Array | None = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        assert self._file
        if self._first is not None and kind is None:
            self._file.seek(0)
            self._header(self._first)
        self._file.close()

    def append(self, rows: Array) -> None:
        """All of one dtype and shape but for their number."""
        assert self._file
        if self._first is None:
            self._first = rows[:0]
            self._header(rows)
        self._rows += len(rows)
        self._file.write(np.ascontiguousarray(rows).data)

    def _header(self, like: Array) -> None:
        assert self._file
        descr, shape = np.lib.format.dtype_to_descr(like.dtype), (self._rows, *like.shape[1:])
        np.lib.format.write_array_header_1_0(self._file, {"descr": descr, "fortran_order": False, "shape": shape})


def write_fields(stem: Path, blocks: Iterable[Stored]) -> None:
    """The samples of all blocks, in files that begin with `stem`."""
    with ExitStack() as stack:
        files: dict[str, ArrayFile] = {}
        total: dict[str, int] = {}

        def append(name: str, rows: Array) -> None:
            if name not in files:
                files[name] = stack.enter_context(ArrayFile(stem.with_name(name + ".npy")))
            files[name].append(rows)

        for block in blocks:
            for name, stored in zip(_names(stem.name, block), _parts(block), strict=True):
                if not isinstance(stored, RaggedArray):
                    append(name, stored)
                    continue
                append(name, stored.values)
                if name not in total:
                    append(f"{name}.offsets", np.zeros(1, np.int64))
                start = total.get(name, 0)
                append(f"{name}.offsets", (stored.offsets[1:] + start).astype(np.int64))
                total[name] = start + int(stored.offsets[-1])


def open_fields(stem: Path, spec: Spec, tables: Mapping[str, Array]) -> Stored:
    """What `write_fields` wrote of samples that `spec` describes, mapped read-only; `tables` are those of bytes, by the
    field's name."""
    names = _names(stem.name, spec)
    if isinstance(spec, Field):
        return _open(stem.with_name(names[0]), spec, tables.get(""))
    return {
        name: _open(stem.with_name(file), spec[name], tables.get(name)) for file, name in zip(names, spec, strict=True)
    }


def _open(path: Path, field: Field, table: Array | None) -> Array | RaggedArray | Coded:
    values = mapped(path.with_name(f"{path.name}.npy"))
    if field.ragged:
        return RaggedArray(values, np.array(mapped(path.with_name(f"{path.name}.offsets.npy"))))
    return Coded(values, table) if table is not None and values.dtype == np.uint8 else values


def mapped(path: Path) -> Array:
    found: Array = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    return found


def _names(stem: str, tree: Any) -> list[str]:
    """Files of named fields have numbers, as names may hold anything."""
    return [f"{stem}.{place}" for place in range(len(tree))] if isinstance(tree, Mapping) else [stem]


def _parts(tree: Stored) -> list[Array | RaggedArray]:
    return [*tree.values()] if isinstance(tree, Mapping) else [tree]
