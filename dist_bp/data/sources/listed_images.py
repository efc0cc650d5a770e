"""Image files that a column of a table names."""

import os
from abc import abstractmethod
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
        Text | None, Doc("Column with the paths of image files; the network learns from them, and from `features`.")
    ] = None
    folder: Annotated[
        File | None,
        Doc("Folder that the paths of images in path and test_path start from; null: that of the table."),
    ] = None
    unreadable: Annotated[Unreadable, Doc("Image files that cannot be read: refuse them, or skip them.")] = "error"

    @property
    @abstractmethod
    def tables(self) -> tuple[str, ...]:
        """The tables of the source itself."""

    def home(self, table: str) -> str:
        """The folder that paths start from: `folder` for tables of the source itself, that of the table for others."""
        if self.folder is not None and os.path.realpath(table) in map(os.path.realpath, self.tables):
            return self.folder
        return os.path.dirname(table)

    def files(self, table: str, names: Iterable[str]) -> ImageFiles:
        """The images that a table names. Raises DataError for those that are not within `home`, links followed: a
        table from elsewhere does not say what of this machine is read."""
        home = self.home(table)
        paths = [os.path.normpath(os.path.join(home, name)) for name in names]
        inside = os.path.join(os.path.realpath(home), "")
        strangers = [path for path in paths if "\0" in path or not os.path.realpath(path).startswith(inside)]
        if strangers:
            problems = [
                f"data file {table!r} names {path!r}, which is not in {home or '.'!r}" for path in strangers[:SHOWN]
            ]
            more = f" ({len(strangers):,} paths)" * (len(strangers) > SHOWN)
            problems[-1] += f"{more}: put the table into the folder of the images, or train with data.source.folder"
            raise DataError(problems)
        return ImageFiles(tuple(paths), self.unreadable)
