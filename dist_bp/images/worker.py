"""A process that decodes image files.

Its argument is the decoder; each line of standard input a list of paths, in JSON. It answers with a line that holds,
for each, the shape of its pixels or what is wrong with it, and then the pixels of all. It ends with its input.
"""

import json
import sys
from contextlib import suppress

import numpy as np

from dist_bp.images.crew import decoded
from dist_bp.images.decoder import Decoder
from dist_bp.images.opening import Unreadable


def main() -> None:
    decoder = Decoder.from_list(json.loads(sys.argv[1]))
    for line in sys.stdin.buffer:
        found = [decoded(decoder, path) for path in json.loads(line)]
        answer = [
            list(one.shape)
            if isinstance(one, np.ndarray)
            else {"text": str(one), "unreadable": isinstance(one, Unreadable)}
            for one in found
        ]
        out = sys.stdout.buffer
        out.write(json.dumps(answer).encode() + b"\n")
        for one in found:
            if isinstance(one, np.ndarray):
                out.write(np.ascontiguousarray(one).data)
        out.flush()


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        main()
