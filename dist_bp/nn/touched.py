"""Which rows of a table's gradient a step has written."""

import numpy as np

from dist_bp.types import Array

ALL = -1


class TouchedRows:
    """The rows of a gradient (rows, ...) that hold something of the current step, in order; what is in the others is
    left over from earlier steps, and stands for zeros.

    `record` (1 + rows,), whole numbers, is where others read it too: how many there are, -1 for all, and which.
    """

    def __init__(self, record: Array) -> None:
        self._record = record

    @property
    def ids(self) -> Array | None:
        """(n,), in order; None: all rows."""
        count = int(self._record[0])
        return None if count == ALL else self._record[1 : 1 + count]

    def set(self, ids: Array) -> None:
        """These and no others; they are different ones in order."""
        self._record[1 : 1 + len(ids)] = ids
        self._record[0] = len(ids)

    def set_all(self) -> None:
        self._record[0] = ALL

    def others(self) -> Array:
        """A mask (rows,) of those that hold nothing."""
        ids = self.ids
        mask = np.ones(len(self._record) - 1, np.bool_)
        mask[slice(None) if ids is None else ids] = False
        return mask
