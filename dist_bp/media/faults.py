"""What keeps a file from being read: the file itself, or something else."""

import errno

from dist_bp.errors import DataError
from dist_bp.media.decoder import Unreadable

OF_THE_FILE = {
    *(errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR),
    *(errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.EFBIG),
}
"""Errors that a file is the reason of: of others, such as a disk that fails, good files may have their share."""
LARGEST_BYTES = 2**28
"""Of a file."""


def not_read(error: OSError, name: str) -> DataError:
    """Unreadable where the file is the reason."""
    line = f"{name} cannot be read: {error.strerror or error}"
    if error.errno is None or error.errno in OF_THE_FILE:
        return Unreadable(line)
    return DataError(f"{line}: the file itself may be sound: start again once that is mended")


def too_little_memory(name: str) -> DataError:
    return DataError(f"{name} needs more memory than there is")
