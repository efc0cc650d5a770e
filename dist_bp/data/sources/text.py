"""One long text."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.data.files import DigestCache
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source, open_files
from dist_bp.data.sources.lines import OF_TEXT
from dist_bp.data.text.long import LongText
from dist_bp.data.text.reading import Encoding, check_encoding
from dist_bp.options import Count, Doc, File


@dataclass(frozen=True)
class TextSource(Source):
    """One long text, to learn at each of its tokens which one comes next: a language model.

    Samples are stretches of it, one behind the other. The validation split is its end, and the test split what comes
    after that.
    """

    path: Annotated[File, Doc("The file.")]
    context: Annotated[Count, Doc("Tokens of a sample.")] = 128
    validation_path: Annotated[File | None, Doc("A file with the validation set.")] = None
    test_path: Annotated[File | None, Doc("A file with the test set.")] = None
    shift: Annotated[bool, Doc("Whether samples begin elsewhere in the text in each epoch.")] = True
    encoding: Encoding = "utf-8"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)

    def open(self, cache: DigestCache) -> Opened:
        options = {"context": self.context, "encoding": self.encoding}
        return open_files("text", (self.path, self.validation_path, self.test_path), options, cache, self.load)

    def load(self) -> Dataset:
        samples, validation, test = (
            None if path is None else Samples(LongText(path, self.encoding, self.context), None)
            for path in (self.path, self.validation_path, self.test_path)
        )
        assert samples
        return Dataset(samples, OF_TEXT, test, validation=validation)
