"""From outputs of a network trained by ctc to sequences of labels."""

import numpy as np

from dist_bp.signals import Ragged, Signal, with_lengths


def best_path(outputs: Signal) -> Ragged:
    """The likeliest unit of each position, repeated ones once, without blanks (Graves et al. 2006, section 3.2).

    `outputs` (n, positions, units), the last unit is the blank -> labels (n, positions), as many of each sample as
    `lengths` says.
    """
    values, lengths = with_lengths(outputs)
    n, positions, units = values.shape
    units_at = values.argmax(axis=-1) if values.size else np.zeros((n, positions), np.int64)
    kept = (units_at != units - 1) & (np.arange(positions) < lengths[:, np.newaxis])
    kept[:, 1:] &= units_at[:, 1:] != units_at[:, :-1]
    first = np.argsort(~kept, axis=1, kind="stable")
    return Ragged(np.take_along_axis(units_at, first, axis=1), np.count_nonzero(kept, axis=1))
