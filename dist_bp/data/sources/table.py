"""Tables with named columns."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from dist_bp.data.files import DigestCache, digest_of
from dist_bp.data.inputs import NUMBERS, ONLY, Described, Features, Raw, row_at
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source, open_files
from dist_bp.data.sources.listed_files import ListedFiles
from dist_bp.data.tables.base import TableFile
from dist_bp.data.tables.column import Column, without
from dist_bp.data.tables.kinds import Kind, Kinds
from dist_bp.data.tables.report import report, words
from dist_bp.data.tables.rows import rows_of
from dist_bp.errors import DataError, OptionError
from dist_bp.options import Doc, File, MinLen, Text

SHOWN = 10
MOST_PROBLEMS = 10
"""So many columns are told of one by one."""


@dataclass(frozen=True)
class TableSource(ListedFiles, Source):
    """A file of named columns.

    Columns of text or truth values are categories, and those that `categorical` names, but for those that are `text` to
    be read; `missing` refuses missing values, drops their rows, or leaves them to the impute step. With `images`
    or `sounds` the samples are files that a column names, and `features` beside them.
    """

    path: Annotated[File, Doc("The file of the table.")]
    target: Annotated[Text, Doc("Column to predict.")]
    features: Annotated[
        Annotated[Sequence[Text], MinLen(1)] | Literal["all"] | None,
        Doc("Columns to learn from; all: those that are nothing else; null: the same, but none beside files."),
    ] = None
    categorical: Annotated[
        Sequence[Text] | None, Doc("Columns that are categories though they hold numbers, or classes if the target.")
    ] = None
    numeric: Annotated[
        Sequence[Text], Doc("Columns that are numbers though they have leading zeros, or are above 2**53.")
    ] = ()
    text: Annotated[
        Sequence[Text], Doc("Columns of text, which a step for text makes numbers of. An empty cell is an empty text.")
    ] = ()
    exclude: Annotated[Sequence[Text], Doc("Columns to leave out.")] = ()
    id_column: Annotated[
        Text | None, Doc("Column that names the rows: nothing is learnt from it, predictions take it along.")
    ] = None
    weights: Annotated[
        Text | None, Doc("Column with the weight of each sample; null: all count alike. Nothing is learnt from it.")
    ] = None
    missing: Annotated[
        Literal["error", "drop", "impute"],
        Doc("Missing values: refuse them, drop their rows, or leave them to the impute step."),
    ] = "error"
    test_path: Annotated[File | None, Doc("A file of the same form with the test set.")] = None

    def __post_init__(self) -> None:
        if self.target in self.named:
            raise OptionError("features", f"must not hold the target column {self.target!r}")
        if self.weights is not None and self.weights in (self.target, self.id_column, *self.named):
            raise OptionError("weights", f"must not be the target, a feature or id_column, got {self.weights!r}")
        if self.target in (*self.exclude, self.id_column):
            option = "exclude" if self.target in self.exclude else "id_column"
            raise OptionError(option, f"must not be the target column {self.target!r}")
        self.check_listed()
        if self.listed is not None:
            roles: dict[str, Sequence[str | None]] = {
                "target": [self.target],
                "id_column": [self.id_column],
                "weights": [self.weights],
                "exclude": self.exclude,
                "features": self.named,
            }
            for option, own in ((self.kind.many, self.listed), ("start", self.start), ("end", self.end)):
                others = roles | ({"start": [self.start], "end": [self.end]} if option == self.kind.many else {})
                if taken := [other for other, columns in others.items() if own is not None and own in columns]:
                    raise OptionError(option, f"must be a column of its own, {own!r} is in {taken[0]}, too")
            if self.listed == NUMBERS and not self.alone:
                text = f"must have another name than {NUMBERS!r}, which is what the network calls the other columns"
                raise OptionError(self.kind.many, text)
        if self.target in self.text:
            raise OptionError("text", f"must not hold the target column {self.target!r}")
        named = (("categorical", self.categorical or ()), ("numeric", self.numeric), ("text", self.text))
        for option, names in named:
            strangers = [name for name in names if self.named and name not in self.named]
            strangers = [name for name in strangers if name != self.target]
            if strangers:
                text = f"must be among data.source.features, which lacks {', '.join(map(repr, strangers))}"
                raise OptionError(option, text)
        if both := [name for name in self.numeric if name in (self.categorical or ())]:
            raise OptionError("numeric", f"{both[0]!r} is in categorical, too")
        if both := [name for name in self.text if name in (*(self.categorical or ()), *self.numeric)]:
            raise OptionError("text", f"{both[0]!r} is in categorical or numeric, too")
        if both := [name for name in self.named if name in (*self.exclude, self.id_column)]:
            raise OptionError("features", f"{both[0]!r} is in exclude or id_column, too")

    @property
    def named(self) -> tuple[str, ...]:
        """The features that are named one by one."""
        return () if self.features is None or self.features == "all" else tuple(self.features)

    @property
    def alone(self) -> bool:
        """Whether files are all that is learnt from."""
        return self.listed is not None and self.features is None

    @abstractmethod
    def table(self, path: str) -> TableFile:
        """A file in this format; raises DataError."""

    def open(self, cache: DigestCache) -> Opened:
        options = {key: value for key, value in vars(self).items() if key not in ("path", "test_path", "folder")}
        for name in ("text", "sounds", "start", "end"):
            if not options[name]:
                del options[name]
        opened = open_files(type(self).__name__, (self.path, self.test_path), options, cache, self.load)
        if self.listed is None:
            return opened
        trees = [cache.of_tree(self.home(path), self._listed(path)) for path in self.tables]
        return Opened(digest_of([opened.digest, trees]), self.load)

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(path for path in (self.path, self.test_path) if path is not None)

    def _listed(self, path: str) -> list[str]:
        """The files of a table, in its order; raises DataError."""
        assert self.listed is not None
        file = self.table(path)
        file.require([(f"{self.kind.many}: ", self.listed)])
        (column,) = self._read(file, [self.listed])
        return self.paths(path, map(str, column.categories().dropna()))

    def load(self) -> Dataset:
        file = self.table(self.path)
        columns = self._columns(file)
        named = [*columns, *self._of_files, self.target, *self._weighting]
        wanted = self._read(file, named)
        kinds = self._kinds(wanted)
        categorical = tuple(name for name in columns if kinds[name] == "category")
        by_value = tuple(column.name for column in wanted if column.name in categorical and column.is_of_numbers)
        text = tuple(name for name in columns if kinds[name] == "text")
        table = Features((len(columns),), columns, categorical, by_value, text=text)
        samples = self._samples(wanted, kinds)
        test = None
        if self.test_path is not None:
            test_file = self.table(self.test_path)
            self._check_names(test_file, columns)
            test = self._samples(self._read(test_file, named), kinds)
        left_out = [name for name in file.names if name not in named]
        told = [column for column in wanted if column.name not in (*self._weighting, *self._of_files)]
        notes = report(told, kinds, self.target, [*left_out, *file.unnamed])
        if self.alone and left_out:
            notes[-1] += f" (data.source.features: all learns from columns beside the {self.kind.many})"
        features: Described = Features(()) if self.alone else table
        if self.listed is not None and not self.alone:
            features = {ONLY: table, self.listed: Features(())}
        return Dataset(samples, features, test, column=self.target, notes=tuple(notes))

    def inputs(self, table: str, columns: Any) -> Raw:
        """Columns of a table as raw inputs: with files in place of their names. Raises DataError."""
        if self.listed is None:
            return columns
        files = self.files(table, map(str, columns[self.listed]), [columns[name] for name in self.ends])
        return files if self.alone else {ONLY: columns.drop(columns=self._of_files), self.listed: files}

    @property
    def _of_files(self) -> list[str]:
        """The columns that say which files, and which parts of them."""
        return [] if self.listed is None else [self.listed, *self.ends]

    @property
    def _weighting(self) -> list[str]:
        return [] if self.weights is None else [self.weights]

    def _columns(self, file: TableFile) -> tuple[str, ...]:
        """The features, in the order asked for; raises DataError for all columns that the file lacks."""
        aside = {self.target, self.id_column, self.weights, *self._of_files, *self.exclude}
        rest = tuple(dict.fromkeys(name for name in file.names if name not in aside))
        columns = () if self.alone else self.named or rest
        self._check_names(file, columns)
        return columns

    def _check_names(self, file: TableFile, columns: Sequence[str]) -> None:
        wanted = [("target: ", self.target), *(("features: ", name) for name in columns)]
        options = (self.kind.many, *(option for option in ("start", "end") if getattr(self, option) is not None))
        wanted += [(f"{option}: ", name) for option, name in zip(options, self._of_files, strict=False)]
        wanted += [("weights: ", name) for name in self._weighting]
        wanted += [("exclude: ", name) for name in self.exclude if name not in file.names and file.path == self.path]
        wanted += [("id_column: ", self.id_column)] if self.id_column and file.path == self.path else []
        known = (*columns, *self._of_files)
        strangers = [
            f"{option}: {name!r} is not among the features {', '.join(map(repr, known[:SHOWN]))}"
            for option in ("categorical", "numeric", "text")
            for name in getattr(self, option) or ()
            if name not in (*known, self.target)
        ]
        if not columns and not self.alone:
            also = f" and the {self.kind.many} {self.listed!r}" if self.listed is not None else ""
            remedy = ": leave data.source.features out" if self.listed is not None else ""
            strangers.append(f"data file {file.path!r} has no columns besides the target {self.target!r}{also}{remedy}")
        file.require(wanted, strangers)

    def _read(self, file: TableFile, names: Sequence[str]) -> list[Column]:
        table = file.read(names)
        return [Column(file, name, table[name], text=name in self.text) for name in names]

    def _kinds(self, columns: Sequence[Column]) -> dict[str, Kind]:
        """Raises DataError for columns that are neither numbers nor categories."""
        judge = Kinds([*(self.categorical or ()), *self._of_files[:1]], [*self.numeric, *self.ends])
        found: dict[str, Kind] = {}
        problems = []
        for column in columns:
            if column.name in self._weighting:
                found[column.name] = "number"
                continue
            found[column.name], problem = judge.of(column, column.name == self.target)
            if problem:
                what = "target column" if column.name == self.target else "column"
                problems.append(f"{what} {column.name!r} of {column.file.path!r} {problem}")
        if len(problems) > MOST_PROBLEMS:
            more = f"{len(problems) - MOST_PROBLEMS:,} more columns of {self.path!r} are like these"
            problems = [*problems[:MOST_PROBLEMS], more]
        if problems:
            raise DataError(problems)
        return found

    def _samples(self, columns: Sequence[Column], kinds: Mapping[str, Kind]) -> Samples:
        """Applies the policy for missing values; raises DataError."""
        if self.missing == "drop":
            columns = without(
                columns, np.any([column.missing for column in columns if column.name not in self.ends], axis=0)
            )
        problems = [self._gap(column) for column in columns if self._refuses(column)]
        rows = rows_of(columns, kinds, self.target, weights_column=self.weights, problems=problems)
        return Samples(self.inputs(columns[0].file.path, rows.inputs), rows.targets, rows.weights)

    def _refuses(self, column: Column) -> bool:
        needed = self.missing == "error" or column.name in (self.target, self.weights, self.listed)
        return column.name not in self.ends and needed and bool(column.missing.any())

    def _gap(self, column: Column) -> str:
        first = row_at(int(np.argmax(column.missing)))
        roles = {self.target: "target", self.weights: "weight", self.listed: self.kind.noun}
        if what := roles.get(column.name):
            remedy = f"set data.source.missing: drop, or give the {what}"
        elif files := column.names_files():
            remedy = f"it {files}"
        else:
            remedy = "set data.source.missing to drop, or to impute with an impute step in data.preprocess"
        if column.words().keys() - {"empty", "null"}:
            keep = column.file.notation.option("keep_default_na", "false")
            remedy += f"; counted as missing: {words([column])}" + (
                "" if column.file.notation.typed else f" ({keep} keeps words)"
            )
        count = int(column.missing.sum())
        return f"column {column.name!r} of {column.file.path!r} has {count} missing values, first in {first}: {remedy}"
