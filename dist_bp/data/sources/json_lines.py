"""Files with a JSON object in each line."""

from dataclasses import dataclass

from dist_bp.data.sources.table import TableSource
from dist_bp.data.tables.json_lines import JsonLinesFile


@dataclass(frozen=True)
class JsonLinesSource(TableSource):
    """A text file with a JSON object in each line, whose keys are the columns."""

    def table(self, path: str) -> JsonLinesFile:
        return JsonLinesFile(path)
