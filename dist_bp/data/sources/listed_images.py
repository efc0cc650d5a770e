"""Image files that a column of a table names."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from dist_bp.component import Component
from dist_bp.data.images.files import ImageFiles, Unreadable
from dist_bp.errors import DataError
from dist_bp.options import Doc, File, Text

SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class ListedImages(Component):
    """Which column names image files, and where they are."""

    images: Annotated[
        Text | None, Doc("Column with the paths of image files, which are then all that is learnt from.")
    ] = None
    folder: Annotated[File | None, Doc("Folder that the paths of images start from; null: that of the table.")] = None
    unreadable: Annotated[Unreadable, Doc("Image files that cannot be read: refuse them, or skip them.")] = "error"

    def home(self, table: str) -> str:
        """The folder that holds the images of a table."""
        return self.folder if self.folder is not None else os.path.dirname(table)

    def files(self, table: str, names: Iterable[str]) -> ImageFiles:
        """The images that a table names. Raises DataError for those that are not within `home`: a table from
        elsewhere does not say what of this machine is read."""
        home = self.home(table)
        paths = [os.path.normpath(os.path.join(home, name)) for name in names]
        inside = os.path.join(os.path.abspath(home), "")
        strangers = [path for path in paths if not os.path.abspath(path).startswith(inside)]
        if strangers:
            problems = [
                f"data file {table!r} names {path!r}, which is not in {home or '.'!r}" for path in strangers[:SHOWN]
            ]
            more = f" ({len(strangers):,} paths)" * (len(strangers) > SHOWN)
            problems[-1] += f"{more}: name the folder of the images with data.source.folder"
            raise DataError(problems)
        return ImageFiles(tuple(paths), self.unreadable)
