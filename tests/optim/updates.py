"""Prints a digest of what updates by every rule make of clipped gradients: what all nodes of a run must agree on.

A program, since a process chooses once, by its processor, with which instructions its libraries compute.
"""

import hashlib
import math

import numpy as np

from dist_bp.optim import Slice, Updater
from dist_bp.optim.updater import BLOCK
from tests.optim.references import PAIRS

SIZE, STEPS = 2 * BLOCK + 100, 5


def main() -> None:
    digest = hashlib.sha256()
    for dtype in ("float32", "float64"):
        for rule, _ in PAIRS:
            random = np.random.default_rng(4)
            updater = Updater(rule, clip_norm=0.5)
            params, scratch = random.normal(size=SIZE).astype(dtype), np.empty((2, SIZE), dtype)
            part, squares = Slice(params, rule.init(SIZE, params.dtype)), np.empty(3)
            for step in range(1, STEPS + 1):
                grads = random.normal(size=SIZE).astype(dtype)
                updater.prepare_blocks(grads, 1 / 7, squares, scratch[0])
                clip = updater.clip_factor(math.sqrt(math.fsum(squares.tolist())))
                updater.apply(part, part, grads, 0, step, 0.1, clip, scratch)
            for array in (params, squares, *part.state.values()):
                digest.update(array.tobytes())
    print(digest.hexdigest())


if __name__ == "__main__":
    main()
