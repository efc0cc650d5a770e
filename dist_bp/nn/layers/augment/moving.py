"""Images moved by whole pixels."""

from dist_bp.types import Array


def move(image: Array, down: int, right: int, out: Array) -> None:
    """Fills `out` with the image moved by so many pixels, zeros where it has left."""
    rows, columns = image.shape[:2]
    out.fill(0)
    out[_to(down, rows), _to(right, columns)] = image[_to(-down, rows), _to(-right, columns)]


def _to(by: int, size: int) -> slice:
    return slice(min(max(by, 0), size), max(min(size + by, size), 0))
