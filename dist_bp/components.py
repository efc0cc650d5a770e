"""Every component that comes with dist_bp, by the `type` that a configuration calls it: one row each.

The user's own are named `module:Name` in the same place.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from dist_bp import data, metrics, nn, optim
from dist_bp.errors import ConfigError
from dist_bp.plugins import import_object
from dist_bp.tuning.schedulers.base import SchedulerOptions
from dist_bp.tuning.searches.base import SearchOptions
from dist_bp.tuning.spaces.base import Space


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of component.

    Args:
        name: what messages and documentation call it.
        base: what its classes derive from.
        rows: `module:Class` by `type`.
        own: what of the user's own may stand in its place: a class derived from `base`, a function, or nothing.
    """

    name: str
    base: type[Any]
    rows: Mapping[str, str]
    own: str = ""

    def find(self, type_name: str) -> Any:
        """The class of a row. Raises KeyError where there is none."""
        return import_object(self.rows[type_name])

    def classes(self) -> dict[str, Any]:
        """All classes by `type`."""
        return {name: self.find(name) for name in self.rows}


SOURCES = Kind(
    "source",
    data.Source,
    {
        "sklearn": "dist_bp.data.sources.scikit_learn:SklearnSource",
        "npz": "dist_bp.data.sources.npz:NpzSource",
        "npy": "dist_bp.data.sources.npy:NpySource",
        "idx": "dist_bp.data.sources.idx:IdxSource",
        "csv": "dist_bp.data.sources.csv:CsvSource",
        "parquet": "dist_bp.data.sources.parquet:ParquetSource",
        "json_lines": "dist_bp.data.sources.json_lines:JsonLinesSource",
        "lines": "dist_bp.data.sources.lines:LinesSource",
        "text": "dist_bp.data.sources.text:TextSource",
        "text_folder": "dist_bp.data.sources.text_folder:TextFolderSource",
        "image_folder": "dist_bp.data.sources.image_folder:ImageFolderSource",
        "sound_folder": "dist_bp.data.sources.sound_folder:SoundFolderSource",
    },
    own="function",
)
PREPROCESSORS = Kind(
    "preprocessing step",
    data.Preprocessor,
    {
        "standardize": "dist_bp.data.preprocess.standardize:Standardize",
        "min_max": "dist_bp.data.preprocess.min_max:MinMax",
        "scale": "dist_bp.data.preprocess.scale:Scale",
        "one_hot": "dist_bp.data.preprocess.one_hot:OneHot",
        "categories": "dist_bp.data.preprocess.categories:CategoriesStep",
        "integers": "dist_bp.data.preprocess.integers:Integers",
        "tokenize": "dist_bp.data.preprocess.tokenize:Tokenize",
        "bag_of_words": "dist_bp.data.preprocess.bag_of_words:BagOfWords",
        "impute": "dist_bp.data.preprocess.impute:Impute",
        "resize": "dist_bp.data.preprocess.resize:Resize",
        "center_crop": "dist_bp.data.preprocess.center_crop:CenterCrop",
        "grayscale": "dist_bp.data.preprocess.grayscale:Grayscale",
        "rgb": "dist_bp.data.preprocess.rgb:Rgb",
        "resample": "dist_bp.data.preprocess.resample:Resample",
        "mono": "dist_bp.data.preprocess.mono:Mono",
        "trim_silence": "dist_bp.data.preprocess.trim_silence:TrimSilence",
        "frames": "dist_bp.data.preprocess.frames:Frames",
        "log_mel": "dist_bp.data.preprocess.log_mel:LogMel",
        "mfcc": "dist_bp.data.preprocess.mfcc:Mfcc",
        "deltas": "dist_bp.data.preprocess.deltas:Deltas",
        "normalize_over_time": "dist_bp.data.preprocess.normalize_over_time:NormalizeOverTime",
    },
)
LAYERS = Kind(
    "layer",
    nn.Layer,
    {
        "dense": "dist_bp.nn.layers.dense:Dense",
        "activation": "dist_bp.nn.layers.activation:Activation",
        "dropout": "dist_bp.nn.layers.dropout:Dropout",
        "batch_norm": "dist_bp.nn.layers.batch_norm:BatchNorm",
        "layer_norm": "dist_bp.nn.layers.layer_norm:LayerNorm",
        "flatten": "dist_bp.nn.layers.flatten:Flatten",
        "reshape": "dist_bp.nn.layers.reshape:Reshape",
        "residual": "dist_bp.nn.layers.residual:Residual",
        "repeat": "dist_bp.nn.layers.repeat:Repeat",
        "conv2d": "dist_bp.nn.layers.conv2d:Conv2d",
        "conv1d": "dist_bp.nn.layers.conv1d:Conv1d",
        "max_pool": "dist_bp.nn.layers.max_pool:MaxPool",
        "average_pool": "dist_bp.nn.layers.average_pool:AveragePool",
        "global_average_pool": "dist_bp.nn.layers.global_average_pool:GlobalAveragePool",
        "group_norm": "dist_bp.nn.layers.group_norm:GroupNorm",
        "random_flip": "dist_bp.nn.layers.augment.random_flip:RandomFlip",
        "random_crop": "dist_bp.nn.layers.augment.random_crop:RandomCrop",
        "random_shift": "dist_bp.nn.layers.augment.random_shift:RandomShift",
        "random_rotation": "dist_bp.nn.layers.augment.random_rotation:RandomRotation",
        "cutout": "dist_bp.nn.layers.augment.cutout:Cutout",
        "embedding": "dist_bp.nn.layers.embedding:Embedding",
        "text_cnn": "dist_bp.nn.layers.text_cnn:TextCnn",
        "branches": "dist_bp.nn.layers.branches:Branches",
        "positions": "dist_bp.nn.layers.positions:Positions",
        "attention": "dist_bp.nn.layers.attention:Attention",
        "transformer_block": "dist_bp.nn.layers.transformer_block:TransformerBlock",
        "tied_output": "dist_bp.nn.layers.tied_output:TiedOutput",
        "rnn": "dist_bp.nn.layers.rnn:Rnn",
        "gru": "dist_bp.nn.layers.gru:Gru",
        "lstm": "dist_bp.nn.layers.lstm:Lstm",
        "last": "dist_bp.nn.layers.last:Last",
        "mean_over_time": "dist_bp.nn.layers.mean_over_time:MeanOverTime",
        "max_over_time": "dist_bp.nn.layers.max_over_time:MaxOverTime",
        "spec_augment": "dist_bp.nn.layers.augment.spec_augment:SpecAugment",
    },
    own="class",
)
ACTIVATIONS = Kind(
    "activation",
    nn.ActivationFunction,
    {name: f"{found.__module__}:{found.__name__}" for name, found in nn.ACTIVATIONS.items()},
    own="class",
)
LOSSES = Kind(
    "loss",
    nn.Loss,
    {
        "cross_entropy": "dist_bp.nn.losses.cross_entropy:CrossEntropy",
        "binary_cross_entropy": "dist_bp.nn.losses.binary_cross_entropy:BinaryCrossEntropy",
        "mse": "dist_bp.nn.losses.mean_squared_error:MeanSquaredError",
        "mae": "dist_bp.nn.losses.mean_absolute_error:MeanAbsoluteError",
        "huber": "dist_bp.nn.losses.huber:Huber",
        "ctc": "dist_bp.nn.losses.ctc:Ctc",
    },
    own="class",
)
METRICS = Kind(
    "metric",
    metrics.Metric,
    {
        "accuracy": "dist_bp.metrics.accuracy:Accuracy",
        "top_k": "dist_bp.metrics.top_k:TopK",
        "precision": "dist_bp.metrics.precision:PrecisionPositive",
        "recall": "dist_bp.metrics.recall:RecallPositive",
        "f1": "dist_bp.metrics.f1:F1Positive",
        "balanced_accuracy": "dist_bp.metrics.balanced_accuracy:BalancedAccuracy",
        "matthews": "dist_bp.metrics.matthews:Matthews",
        "log_loss": "dist_bp.metrics.log_loss:LogLoss",
        "perplexity": "dist_bp.metrics.perplexity:Perplexity",
        "bits_per_character": "dist_bp.metrics.bits_per_character:BitsPerCharacter",
        "precision_macro": "dist_bp.metrics.precision:PrecisionMacro",
        "precision_micro": "dist_bp.metrics.precision:PrecisionMicro",
        "recall_macro": "dist_bp.metrics.recall:RecallMacro",
        "recall_micro": "dist_bp.metrics.recall:RecallMicro",
        "f1_macro": "dist_bp.metrics.f1:F1Macro",
        "f1_micro": "dist_bp.metrics.f1:F1Micro",
        "confusion_matrix": "dist_bp.metrics.confusion_matrix:ConfusionMatrix",
        "roc_auc": "dist_bp.metrics.roc_auc:RocAuc",
        "average_precision": "dist_bp.metrics.average_precision:AveragePrecision",
        "label_error_rate": "dist_bp.metrics.label_error_rate:LabelErrorRate",
        "mse": "dist_bp.metrics.mse:Mse",
        "rmse": "dist_bp.metrics.rmse:Rmse",
        "mae": "dist_bp.metrics.mae:Mae",
        "r2": "dist_bp.metrics.r2:R2",
    },
)
RULES = Kind(
    "optimizer",
    optim.Rule,
    {
        "sgd": "dist_bp.optim.rules.sgd:Sgd",
        "adam": "dist_bp.optim.rules.adam:Adam",
        "adamw": "dist_bp.optim.rules.adamw:AdamW",
        "rmsprop": "dist_bp.optim.rules.rmsprop:RmsProp",
        "adagrad": "dist_bp.optim.rules.adagrad:Adagrad",
        "lion": "dist_bp.optim.rules.lion:Lion",
    },
)
SCHEDULES = Kind(
    "schedule",
    optim.Schedule,
    {
        "constant": "dist_bp.optim.schedules.constant:Constant",
        "step": "dist_bp.optim.schedules.step:StepDecay",
        "exponential": "dist_bp.optim.schedules.exponential:Exponential",
        "cosine": "dist_bp.optim.schedules.cosine:Cosine",
        "linear": "dist_bp.optim.schedules.linear:Linear",
        "one_cycle": "dist_bp.optim.schedules.one_cycle:OneCycle",
        "plateau": "dist_bp.optim.schedules.plateau:ReduceOnPlateau",
    },
)
SPACES = Kind(
    "space",
    Space,
    {
        "choice": "dist_bp.tuning.spaces.choice:ChoiceSpace",
        "grid": "dist_bp.tuning.spaces.grid:GridSpace",
        "uniform": "dist_bp.tuning.spaces.uniform:UniformSpace",
        "loguniform": "dist_bp.tuning.spaces.loguniform:LogUniformSpace",
        "quniform": "dist_bp.tuning.spaces.quniform:QUniformSpace",
        "randint": "dist_bp.tuning.spaces.randint:RandIntSpace",
        "normal": "dist_bp.tuning.spaces.normal:NormalSpace",
    },
)
SEARCHES = Kind(
    "search",
    SearchOptions,
    {
        "grid": "dist_bp.tuning.searches.grid:GridSearch",
        "random": "dist_bp.tuning.searches.random:RandomSearch",
        "tpe": "dist_bp.tuning.searches.tpe:Tpe",
    },
)
SCHEDULERS = Kind(
    "scheduler",
    SchedulerOptions,
    {
        "none": "dist_bp.tuning.schedulers.none:NoScheduler",
        "asha": "dist_bp.tuning.schedulers.asha:Asha",
        "median": "dist_bp.tuning.schedulers.median:Median",
        "pbt": "dist_bp.tuning.schedulers.pbt:Pbt",
    },
)
KINDS: tuple[Kind, ...] = (
    SOURCES, PREPROCESSORS, LAYERS, ACTIVATIONS, LOSSES, METRICS, RULES, SCHEDULES, SPACES, SEARCHES, SCHEDULERS,
)  # fmt: skip


def kind_of(base: Any) -> Kind | None:
    """The kind whose classes derive from `base`; None where that is no base of components."""
    return next((kind for kind in KINDS if kind.base is base), None)


@cache
def metric(name: str) -> metrics.Metric:
    """The metric called `name`: a row, with its default options, or a name that says them, such as top_5.

    Raises ConfigError for another name.
    """
    found: metrics.Metric
    if name in METRICS.rows:
        found = METRICS.find(name)()
        return found
    for candidate in METRICS.classes().values():
        if candidate.pattern and (match := re.fullmatch(candidate.pattern, name)):
            found = candidate(**{option: int(value) for option, value in match.groupdict().items()})
            return found
    raise ConfigError(f"there is no metric {name!r}: choose from {', '.join(METRICS.rows)}")
