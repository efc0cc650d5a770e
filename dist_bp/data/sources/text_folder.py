"""Text files in a folder for each class."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.data.checks import Problems
from dist_bp.data.class_folders import ClassFolder, FileKind, ignored, own_validation, problems_of, read_splits
from dist_bp.data.files import DigestCache, digest_of
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source
from dist_bp.data.sources.lines import LABEL, OF_TEXT, table_of
from dist_bp.data.text.reading import Encoding, check_encoding, read_text
from dist_bp.errors import DataError
from dist_bp.options import Doc, File

TEXTS = FileKind("a text", "texts", (".txt",))
MOST_PROBLEMS = 10


@dataclass(frozen=True)
class TextFolderSource(Source):
    """A folder of text files with a folder for each class, or with train and test folders that have them."""

    path: Annotated[File, Doc("The folder: its folders are the classes, or train, test and validation with classes.")]
    test_path: Annotated[File | None, Doc("Another folder of the same classes, which is the test set.")] = None
    encoding: Encoding = "utf-8"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)

    def open(self, cache: DigestCache) -> Opened:
        folders = read_splits(self.path, self.test_path, TEXTS)
        if problems := problems_of(folders):
            raise DataError(problems)
        trees = {split: [one.classes, cache.of_tree(one.path, one.paths)] for split, one in folders.items()}
        digest = digest_of({"kind": "text_folder", "encoding": self.encoding, "folders": trees})
        return Opened(digest, lambda: self._dataset(folders))

    def _dataset(self, folders: dict[str, ClassFolder]) -> Dataset:
        samples = {split: self.samples(one) for split, one in folders.items()}
        notes = [*ignored(list(folders.values())), *own_validation(folders)]
        test, validation = samples.get("test"), samples.get("validation")
        return Dataset(
            samples["train"],
            OF_TEXT,
            test,
            folders["train"].classes,
            column=LABEL,
            notes=tuple(notes),
            validation=validation,
        )

    def samples(self, folder: ClassFolder) -> Samples:
        """The texts of a folder, and their classes; raises DataError."""
        return Samples(table_of(self.texts(folder.paths)), np.array(folder.labels))

    def texts(self, paths: tuple[str, ...]) -> list[str]:
        """Raises DataError, naming the first files that cannot be read."""
        texts, problems = [], Problems()
        for path in paths:
            with problems.collected():
                texts.append(read_text(path, self.encoding))
            if len(problems.lines) == MOST_PROBLEMS:
                break
        problems.check()
        return texts
