"""Data: sources, split, preprocessing, prepared arrays and the shards of them that workers train on."""

from dist_bp.data.inputs import Features
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.prepare import prepare
from dist_bp.data.prepared import Prepared, Schema
from dist_bp.data.preprocess.base import Preprocessor
from dist_bp.data.reader import Reader
from dist_bp.data.samples import Amount, Batch, Gatherer, RaggedArray, SampleStore
from dist_bp.data.shards import Batches, Part, epoch_order, evaluation_rows, owned_groups
from dist_bp.data.sources.base import Samples, Source
from dist_bp.data.split import Split, split_indices
from dist_bp.data.targets import LabelsPer, Targets
from dist_bp.data.task import TaskHint

__all__ = [
    "Amount",
    "Batch",
    "Batches",
    "Features",
    "Gatherer",
    "LabelsPer",
    "Part",
    "Pipeline",
    "Prepared",
    "Preprocessor",
    "RaggedArray",
    "Reader",
    "SampleStore",
    "Samples",
    "Schema",
    "Source",
    "Split",
    "Targets",
    "TaskHint",
    "epoch_order",
    "evaluation_rows",
    "owned_groups",
    "prepare",
    "split_indices",
]
