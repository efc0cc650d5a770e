"""A process that decodes files.

Its arguments are the decoder and the shape that all arrays are to have, or null. It says that it is ready. Each line of
standard input is a list of items, in JSON. It answers, a block at a time, with a line that holds, for each item, the
form of what became of it, or what is wrong with it, and then the arrays of all, but for those of another shape. It
decodes no more before that is taken, and ends with its input, in the midst of its work too: whoever asked is gone.
"""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import IO

import numpy as np

from dist_bp.errors import DataError
from dist_bp.media.crew import Decoded, decode_some
from dist_bp.media.decoder import Decoder, Unlike, Unreadable, items_from_json, read
from dist_bp.types import Array

READY = b"ready"


def main() -> None:
    decoder, listed = read(sys.argv[1]), json.loads(sys.argv[2])
    shape = None if listed is None else tuple(listed)
    out = sys.stdout.buffer
    out.write(READY + b"\n")
    out.flush()
    lines: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_read, args=(lines,), daemon=True).start()
    while True:
        items = items_from_json(json.loads(lines.get()))
        while items:
            items = items[_answer(out, decoder, decode_some(decoder, items, shape)) :]


def _answer(out: IO[bytes], decoder: Decoder, found: Sequence[Decoded]) -> int:
    """For how many items."""
    answer, arrays = [], []
    for one in found:
        if isinstance(one, DataError):
            answer.append({"text": str(one), "unreadable": isinstance(one, Unreadable)})
            continue
        if isinstance(one, Unlike):
            answer.append({"shape": one.shape})
            continue
        array, facts = decoder.packed(one)
        answer.append({"shape": array.shape, "dtype": array.dtype.str, "facts": facts})
        arrays.append(np.ascontiguousarray(array))
    out.write(json.dumps(answer).encode() + b"\n")
    for array in arrays:
        out.write(_bytes(array))
    out.flush()
    return len(found)


def _read(lines: SimpleQueue[bytes]) -> None:
    with open(0, "rb", closefd=False) as asked:  # not sys.stdin, which the end of the interpreter would wait for
        for line in asked:
            lines.put(line)
    os._exit(0)


def _bytes(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        main()
