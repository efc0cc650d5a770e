"""Files of images or sounds that a column of a table names."""

import math
import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from dist_bp.component import Component
from dist_bp.data.class_folders import FileKind
from dist_bp.data.media.files import IMAGES, SOUNDS, IfUnreadable, MediaFiles
from dist_bp.errors import DataError, OptionError
from dist_bp.media.decoder import Clip
from dist_bp.options import Doc, File, Text

SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class ListedFiles(Component):
    """Which column names files of images or sounds, and where they are."""

    images: Annotated[
        Text | None, Doc("Column with the paths of image files; the network learns from them, and from `features`.")
    ] = None
    sounds: Annotated[
        Text | None, Doc("Column with the paths of sound files; the network learns from them, and from `features`.")
    ] = None
    start: Annotated[
        Text | None, Doc("Column with the second of its file at which a sound begins; null, or a gap: at 0.")
    ] = None
    end: Annotated[
        Text | None, Doc("Column with the second of its file at which a sound ends; null, or a gap: with the file.")
    ] = None
    folder: Annotated[
        File | None,
        Doc("Folder that the paths of files in path and test_path start from; null: that of the table."),
    ] = None
    unreadable: Annotated[
        IfUnreadable, Doc("Files of images or sounds that cannot be read: refuse them, or skip them.")
    ] = "error"

    @property
    def listed(self) -> str | None:
        """The column that names files."""
        return self.images if self.sounds is None else self.sounds

    @property
    def kind(self) -> FileKind:
        """What the files hold."""
        return IMAGES if self.sounds is None else SOUNDS

    @property
    def ends(self) -> list[str]:
        """The columns that say where a sound begins and ends in its file."""
        return [name for name in (self.start, self.end) if name is not None]

    def check_listed(self) -> None:
        """Raises OptionError where options contradict each other."""
        if self.images is not None and self.sounds is not None:
            raise OptionError("sounds", "cannot be given together with images: a table names one kind of files")
        if self.listed is None and self.folder is not None:
            raise OptionError("folder", "is for paths of files: name their column with images or sounds")
        if self.ends and self.sounds is None:
            raise OptionError("end" if self.start is None else "start", "is for sounds: name their column with sounds")

    @property
    @abstractmethod
    def tables(self) -> tuple[str, ...]:
        """The tables of the source itself."""

    def home(self, table: str) -> str:
        """The folder that paths start from: `folder` for tables of the source itself, that of the table for others."""
        if self.folder is not None and os.path.realpath(table) in map(os.path.realpath, self.tables):
            return self.folder
        return os.path.dirname(table)

    def files(self, table: str, names: Iterable[str], ends: Sequence[Iterable[float]] = ()) -> MediaFiles:
        """The files that a table names, see `paths`, or the parts of them that the columns `ends` tell."""
        paths = self.paths(table, names)
        items = self._clips(paths, ends) if self.ends else paths
        return MediaFiles(tuple(items), self.kind, self.unreadable)

    def paths(self, table: str, names: Iterable[str]) -> list[str]:
        """Raises DataError for those that are not within `home`, links followed: a table from elsewhere does not say
        what of this machine is read."""
        home = self.home(table)
        paths = [os.path.normpath(os.path.join(home, name)) for name in names]
        inside = os.path.join(os.path.realpath(home), "")
        strangers = [path for path in paths if "\0" in path or not os.path.realpath(path).startswith(inside)]
        if strangers:
            problems = [
                f"data file {table!r} names {path!r}, which is not in {home or '.'!r}" for path in strangers[:SHOWN]
            ]
            more = f" ({len(strangers):,} paths)" * (len(strangers) > SHOWN)
            remedy = f"put the table into the folder of the {self.kind.many}, or train with data.source.folder"
            problems[-1] += f"{more}: {remedy}"
            raise DataError(problems)
        return paths

    def _clips(self, paths: Sequence[str], ends: Sequence[Iterable[float]]) -> Iterable[Clip]:
        given = dict(zip(self.ends, map(list, ends), strict=True))
        gaps = [math.nan] * len(paths)
        starts, stops = (given.get(name or "", gaps) for name in (self.start, self.end))
        for path, start, end in zip(paths, starts, stops, strict=True):
            yield Clip(path, 0.0 if math.isnan(start) else float(start), None if math.isnan(end) else float(end))
