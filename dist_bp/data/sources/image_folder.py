"""Image files in a folder for each class."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.data.class_folders import ClassFolder, own_validation, problems_of, read_splits
from dist_bp.data.files import DigestCache, digest_of
from dist_bp.data.images.files import IMAGES, ImageFiles, Unreadable
from dist_bp.data.images.folder import passed_over, tables_instead
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
        problems = problems_of(folders)
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
            return read_splits(self.path, self.test_path, IMAGES)
        except DataError as error:
            raise DataError([*error.problems, *tables_instead(self.path)]) from error

    def _dataset(self, folders: dict[str, ClassFolder], problems: list[str]) -> Dataset:
        classes = folders["train"].classes
        samples = {
            split: Samples(ImageFiles(one.paths, self.unreadable), np.array(one.labels))
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
