"""Samples in the forms that MLflow knows: arrays, and tables of columns by their names.

Of samples of different lengths MLflow takes a table alone, with a list in each row. Of arrays whose columns have names
it would take any table, and leave the names aside.
"""

from typing import TYPE_CHECKING

from dist_bp.data.inputs import Features, Raw, by_name, is_named, is_table, table_in
from dist_bp.data.pipeline import Pipeline

if TYPE_CHECKING:
    import pandas as pd

LONE = "inputs"
"""The column of samples of different lengths that have no name."""


def to_mlflow(raw: Raw, pipeline: Pipeline) -> Raw:
    """Raw samples, see `Raw`, as a table where it must be one."""
    features = pipeline.features
    if takes_lists(pipeline):
        return _lists(raw)
    if isinstance(features, Features) and features.names is not None and not is_table(raw):
        import pandas as pd

        return pd.DataFrame(raw, columns=[*features.names])
    return raw


def from_mlflow(raw: Raw, pipeline: Pipeline) -> Raw:
    """Undoes `to_mlflow`."""
    if not (takes_lists(pipeline) and is_table(raw)):
        return raw
    named = {str(name): column.tolist() for name, column in raw.items()}
    return named.get(LONE, named) if pipeline.only else named


def takes_lists(pipeline: Pipeline) -> bool:
    """Whether samples are arrays some of which have different lengths, and not files that become such."""
    features = pipeline.features
    ragged = any(one.ragged for one in by_name(features).values())
    return pipeline.decoder is None and table_in(features) is None and ragged


def _lists(raw: Raw) -> "pd.DataFrame":
    import pandas as pd

    named = raw if is_named(raw) else {LONE: raw}
    return pd.DataFrame({name: [sample.tolist() for sample in samples] for name, samples in named.items()})
