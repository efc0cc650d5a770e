"""Image files in a folder for each class."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.data.files import DigestCache, digest_of
from dist_bp.data.images.files import ImageFiles, Unreadable
from dist_bp.data.images.folder import ClassFolder, ignored, read_classes, split_folders, strangers, tables_instead
from dist_bp.data.inputs import Features
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source
from dist_bp.errors import DataError
from dist_bp.options import Doc, File


@dataclass(frozen=True)
class ImageFolderSource(Source):
    """A folder of images with a folder for each class, or with train and test folders that have them."""

    path: Annotated[File, Doc("The folder: its folders are the classes, or train, test and validation with classes.")]
    test_path: Annotated[File | None, Doc("Another folder of the same classes, which is the test set.")] = None
    unreadable: Annotated[
        Unreadable, Doc("Files that cannot be read: refuse them all, or skip them and say how many.")
    ] = "error"

    def open(self, cache: DigestCache) -> Opened:
        folders = self._folders()
        problems = [line for one in folders.values() for line in one.problems]
        problems += [line for one in folders.values() for line in strangers(folders["train"], one)]
        digest = digest_of(
            {
                "kind": "image_folder",
                "unreadable": self.unreadable,
                "folders": {split: [one.classes, cache.of_tree(one.path, one.paths)] for split, one in folders.items()},
            }
        )
        return Opened(digest, lambda: self._dataset(folders, problems))

    def _folders(self) -> dict[str, ClassFolder]:
        """By split. Raises DataError."""
        try:
            return self._read()
        except DataError as error:
            raise DataError([*error.problems, *tables_instead(self.path)]) from error

    def _read(self) -> dict[str, ClassFolder]:
        paths = split_folders(self.path) or {"train": self.path}
        if self.test_path is not None:
            if "test" in paths:
                raise DataError(f"data.source.test_path is given, and {self.path!r} has a test folder of its own")
            paths["test"] = self.test_path
            split_folders(self.test_path)
        found: dict[str, ClassFolder] = {}
        problems: list[str] = []
        for split, path in paths.items():
            try:
                found[split] = read_classes(path)
            except DataError as error:
                problems += error.problems
        if problems:
            raise DataError(problems)
        return found

    def _dataset(self, folders: dict[str, ClassFolder], problems: list[str]) -> Dataset:
        classes = folders["train"].classes
        samples = {
            split: Samples(ImageFiles(one.paths, self.unreadable), np.array(one.labels))
            for split, one in folders.items()
        }
        notes = ignored(list(folders.values()))
        if "validation" in folders:
            notes.append(f"{folders['validation'].path!r} is the validation set: data.split.validation has no effect")
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
