"""Turned images."""

import math
from typing import Annotated

import numpy as np

from dist_bp.nn.layers.augment.base import Augmentation
from dist_bp.options import Doc, Gt, Le
from dist_bp.types import Array


class RandomRotation(Augmentation):
    """In training, turns an image about its centre by a random angle, with bilinear interpolation.

    What comes from outside of the image is 0.
    """

    numbers = 1

    def __init__(
        self,
        degrees: Annotated[float, Gt(0), Le(180), Doc("By at most this angle, to the left or to the right.")] = 10.0,
    ) -> None:
        self.degrees = degrees

    def _change(self, image: Array, draw: Array, out: Array) -> None:
        out.fill(0)
        flat = image.reshape(-1, image.shape[2])
        for place, weight in self._corners(image, draw):
            out += (flat[place] * weight[:, np.newaxis]).reshape(image.shape)

    def _back(self, d_out: Array, draw: Array, d_image: Array) -> None:
        d_image.fill(0)
        flat, slopes = d_image.reshape(-1, d_image.shape[2]), d_out.reshape(-1, d_out.shape[2])
        for place, weight in self._corners(d_out, draw):
            np.add.at(flat, place, slopes * weight[:, np.newaxis])

    def _corners(self, image: Array, draw: Array) -> list[tuple[Array, Array]]:
        """For each of the four pixels around where a pixel comes from: its place, and its weight."""
        rows, columns, _ = image.shape
        angle = math.radians(self.degrees) * (2.0 * float(draw[0]) - 1.0)
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
