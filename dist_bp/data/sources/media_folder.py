"""Files of images or sounds in a folder for each class, or with their classes in their names."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from dist_bp.data.class_folders import ClassFolder, FileKind, own_validation, problems_of, read_classes, read_splits
from dist_bp.data.files import DigestCache, digest_of
from dist_bp.data.inputs import Features
from dist_bp.data.media.files import IfUnreadable, MediaFiles
from dist_bp.data.media.tables import passed_over, tables_instead
from dist_bp.data.named_files import check_pattern, read_named, without_matches
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source
from dist_bp.errors import DataError
from dist_bp.options import Doc, File, Text


@dataclass(frozen=True)
class MediaFolderSource(Source):
    """A folder with a folder for each class, with train and test folders that have them, or with classes in the names
    of its files."""

    kind: ClassVar[FileKind]

    path: Annotated[File, Doc("The folder: its folders are the classes, or train, test and validation with classes.")]
    test_path: Annotated[File | None, Doc("Another folder of the same classes, which is the test set.")] = None
    pattern: Annotated[
        Text | None,
        Doc(
            "Names of files, from the folder on, as a regular expression of Python with the group `label`, where no "
            "folders tell the classes."
        ),
    ] = None
    test_pattern: Annotated[
        Text | None, Doc("Names of the files that are the test set, as a regular expression of Python.")
    ] = None
    unreadable: Annotated[
        IfUnreadable, Doc("Files that cannot be read: refuse them all, or skip them and say how many.")
    ] = "error"

    def __post_init__(self) -> None:
        check_pattern("pattern", self.pattern, label=True)
        check_pattern("test_pattern", self.test_pattern)

    def open(self, cache: DigestCache) -> Opened:
        folders = self._folders()
        problems = problems_of(folders)
        digest = digest_of(
            {
                "kind": f"{self.kind.noun}_folder",
                "unreadable": self.unreadable,
                "folders": {
                    split: [one.classes, cache.of_tree(one.path, one.paths), *([one.labels] if self.pattern else [])]
                    for split, one in folders.items()
                },
            }
        )
        return Opened(digest, lambda: self._dataset(folders, problems))

    def classes_in(self, path: str, kind: FileKind) -> ClassFolder:
        """The files of a folder with their classes; raises DataError."""
        return read_classes(path, kind) if self.pattern is None else read_named(path, kind, self.pattern)

    def _folders(self) -> dict[str, ClassFolder]:
        """By split. Raises DataError."""
        try:
            found = read_splits(self.path, self.test_path, self.kind, self.classes_in)
        except DataError as error:
            raise DataError([*error.problems, *tables_instead(self.path, self.kind)]) from error
        return found if self.test_pattern is None else without_matches(found, self.test_pattern)

    def _dataset(self, folders: dict[str, ClassFolder], problems: list[str]) -> Dataset:
        classes = folders["train"].classes
        samples = {
            split: Samples(MediaFiles(one.paths, self.kind, self.unreadable), np.array(one.labels))
            for split, one in folders.items()
        }
        notes = [*passed_over(list(folders.values())), *own_validation(folders)]
        test, validation = samples.get("test"), samples.get("validation")
        return Dataset(
            samples["train"],
            Features(()),
            test,
            classes,
            notes=tuple(notes),
            validation=validation,
            problems=tuple(problems),
        )
