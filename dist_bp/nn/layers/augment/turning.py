"""Images turned about their centre."""

import math

import numpy as np

from dist_bp.types import Array


def turn(image: Array, angle: float, out: Array) -> None:
    """Fills `out` with the image (rows, columns, channels) turned by so many radians, to the right where they are
    positive: with bilinear interpolation, zeros where nothing of it comes to lie.
    """
    out.fill(0)
    flat = image.reshape(-1, image.shape[2])
    for place, weight in _corners(image, angle):
        out += (flat[place] * weight[:, np.newaxis]).reshape(image.shape)


def turn_slopes(d_out: Array, angle: float, d_image: Array) -> None:
    """The transpose of `turn`: fills `d_image` with the gradient of the image."""
    d_image.fill(0)
    flat, slopes = d_image.reshape(-1, d_image.shape[2]), d_out.reshape(-1, d_out.shape[2])
    for place, weight in _corners(d_out, angle):
        np.add.at(flat, place, slopes * weight[:, np.newaxis])


def _corners(image: Array, angle: float) -> list[tuple[Array, Array]]:
    """For each of the four pixels around where a pixel comes from: its place, and its weight."""
    rows, columns, _ = image.shape
    down, right = np.mgrid[:rows, :columns].reshape(2, -1) - np.array([[rows - 1], [columns - 1]]) / 2
    row = math.cos(angle) * down - math.sin(angle) * right + (rows - 1) / 2
    column = math.sin(angle) * down + math.cos(angle) * right + (columns - 1) / 2
    top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    corners = []
    for r, c in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (1 - np.abs(row - (top + r))) * (1 - np.abs(column - (left + c)))
        inside = (top + r >= 0) & (top + r < rows) & (left + c >= 0) & (left + c < columns)
        place = np.clip(top + r, 0, rows - 1) * columns + np.clip(left + c, 0, columns - 1)
        corners.append((place, (weight * inside).astype(image.dtype)))
    return corners
