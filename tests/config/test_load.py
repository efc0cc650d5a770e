"""What is wrong with a file: every problem on one line, at its place, with what is allowed."""

from pathlib import Path

import pytest

from dist_bp.components import LAYERS
from dist_bp.config import JobConfig, load_config, render
from dist_bp.errors import ConfigError
from tests.config.conftest import BASE

SECTIONS = (
    "name, seed, data, model, loss, metrics, decision, train, scaling, parameter_server, checkpoint, failure, "
    "tracking, ray, sweep"
)
LOSSES = "cross_entropy, binary_cross_entropy, mse, mae, huber, module:Name"


def test_defaults(file):
    config = load_config(file(BASE))
    assert config.train.batch_size == 64
    assert config.train.group_size == 32
    assert config.train.schedule.type == "constant"
    assert config.scaling.num_workers == 2
    assert config.checkpoint.monitor == "val_loss"
    assert config.tracking.every_steps == "auto"
    assert config.train.optimizer.learning_rate == 1e-3


def test_values_are_immutable(file):
    config = load_config(file(BASE))
    with pytest.raises(ValueError, match="frozen"):
        config.train.epochs = 5


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.e-3", ".1e-2", "+1e-3", "'1e-3'", "0.001"])
def test_all_spellings_of_a_number(file, text):
    assert load_config(file(BASE.replace("1e-3", text))).train.optimizer.learning_rate == 1e-3


def test_exponents_are_numbers_to_the_users_own_code_too(file):
    text = BASE.replace("{type: dense, units: 10}", "{type: 'my.layers:Own', rate: 1e-3, tag: '1e-3'}")
    layer = load_config(file(text), own_code=False).model.layers[1]
    assert layer.options == {"rate": 1e-3, "tag": "1e-3"}


def test_numbers_from_plain_safe_load_are_accepted():
    raw = {
        "name": "n",
        "data": {"source": {"type": "sklearn", "name": "iris"}},
        "model": {"layers": [{"type": "dense", "units": 3}]},
        "loss": {"type": "cross_entropy"},
        "train": {"optimizer": {"type": "sgd", "learning_rate": "1e-2"}},
    }
    assert JobConfig.model_validate(raw).train.optimizer.learning_rate == 0.01


ONE_PROBLEM = {
    "too small": ("1e-3", "-1", "job.yaml:13: train.optimizer.learning_rate: must be greater than 0, got -1"),
    "quoted text": (
        "1e-3",
        "'fast'",
        "job.yaml:13: train.optimizer.learning_rate: must be a number, got 'fast'",
    ),
    "number in quotes": (
        "epochs: 3",
        "epochs: '3'",
        "job.yaml:10: train.epochs: must be a number, got '3'",
    ),
    "truth value": ("1e-3", "true", "job.yaml:13: train.optimizer.learning_rate: must be a number, got true"),
    "not finite": (
        "1e-3",
        ".inf",
        "job.yaml:13: train.optimizer.learning_rate: must be finite, got inf",
    ),
    "not whole": ("epochs: 3", "epochs: 1.5", "job.yaml:10: train.epochs: must be a whole number, got 1.5"),
    "not a truth value": (
        "epochs: 3",
        "shuffle: 1",
        "job.yaml:10: train.shuffle: must be true or false, got 1",
    ),
    "number for text": (
        "name: digits\n",
        "name: 5\n",
        "job.yaml:1: name: must be text, got 5 (quotes make it text)",
    ),
    "characters of the name": (
        "name: digits\n",
        "name: a b/c\n",
        "job.yaml:1: name: must be made of letters, digits, '.', '_' and '-', got 'a b/c'",
    ),
    "unknown key": (
        "learning_rate",
        "learnig_rate",
        "job.yaml:13: train.optimizer: unknown key 'learnig_rate': did you mean 'learning_rate'? "
        "(allowed: type, learning_rate, weight_decay, decoupled, beta1, beta2, epsilon)",
    ),
    "unknown key at the top": (
        "loss:",
        "looss: 1\nloss:",
        f"job.yaml:8: unknown key 'looss': did you mean 'loss'? (allowed: {SECTIONS})",
    ),
    "unknown key of a layer": (
        "{type: dense, units: 10}",
        "{type: dense, units: 10, size: 3}",
        "job.yaml:7: model.layers.1: unknown key 'size' (allowed: type, units, activation, bias, initializer)",
    ),
    "missing key": (
        "units: 10",
        "bias: false",
        "job.yaml:7: model.layers.1.units: required key is missing",
    ),
    "missing section": (
        "loss: {type: cross_entropy}\n",
        "",
        "job.yaml:1: loss: required key is missing",
    ),
    "unknown type": (
        "type: cross_entropy",
        "type: cross_entrpy",
        f"job.yaml:8: loss.type: unknown type 'cross_entrpy': did you mean 'cross_entropy'? (allowed: {LOSSES})",
    ),
    "no type": (
        "{type: cross_entropy}",
        "{label_smoothing: 0.1}",
        f"job.yaml:8: loss.type: required key is missing (allowed: {LOSSES})",
    ),
    "misspelt key beside the right one": (
        "epochs: 3",
        "epochs: 3\n  epoch: 4",
        "job.yaml:11: train: unknown key 'epoch': did you mean 'epochs'? (allowed: epochs, batch_size, "
        "group_size, accumulate, shuffle, optimizer, schedule, clip_norm, clip_value, stop)",
    ),
    "misspelt name of a component": (
        "{type: cross_entropy}",
        "cross_entropie",
        f"job.yaml:8: loss: unknown type 'cross_entropie': did you mean 'cross_entropy'? (allowed: {LOSSES})",
    ),
    "number for a component": (
        "{type: cross_entropy}",
        "3",
        "job.yaml:8: loss: must be a name or a mapping such as {type: cross_entropy}, got 3",
    ),
    "name of a component that needs options": (
        "{type: dense, units: 10}",
        "dense",
        "job.yaml:7: model.layers.1.units: required key is missing",
    ),
    "unknown layer": (
        "{type: dense, units: 10}",
        "{type: residual, layers: [{type: dens, units: 3}]}",
        "job.yaml:7: model.layers.1.layers.0.type: unknown type 'dens': did you mean 'dense'? "
        f"(allowed: {', '.join(LAYERS.rows)}, module:Name)",
    ),
    "no module:Name": (
        "{type: cross_entropy}",
        "{type: 'my loss:Own'}",
        "job.yaml:8: loss.type: must be module:Name, such as my_package.layers:Scale, got 'my loss:Own'",
    ),
    "option that is no argument": (
        "{type: cross_entropy}",
        "{type: 'my:Own', a-b: 1}",
        "job.yaml:8: loss: 'a-b' cannot be the name of a keyword argument",
    ),
    "unknown word": (
        "activation: relu",
        "activation: reLU",
        "job.yaml:6: model.layers.0.activation: unknown type 'reLU': did you mean 'relu'? "
        "(allowed: relu, leaky_relu, elu, gelu, silu, tanh, sigmoid, softplus, module:Name)",
    ),
    "number for a word": (
        "model:",
        "model:\n  dtype: 32",
        "job.yaml:5: model.dtype: must be one of float32, float64, got 32",
    ),
    "no layers": (
        "    - {type: dense, units: 16, activation: relu}\n    - {type: dense, units: 10}\n",
        "    []\n",
        "job.yaml:5: model.layers: must not be empty",
    ),
    "mapping for a list": (
        "loss:",
        "metrics: {}\nloss:",
        "job.yaml:8: metrics: must be a list, got a mapping",
    ),
    "section without keys": (
        "loss:",
        "scaling: []\nloss:",
        "job.yaml:8: scaling: must be a mapping, got a list",
    ),
    "threshold that is no probability": (
        "loss:",
        "decision: {threshold: 1.5}\nloss:",
        "job.yaml:8: decision.threshold: must be less than 1, got 1.5",
    ),
    "threshold that is no number": (
        "loss:",
        "decision: {threshold: high}\nloss:",
        "job.yaml:8: decision.threshold: must be a number, got 'high'",
    ),
    "threshold chosen by another metric": (
        "loss:",
        "decision: {threshold: {by: f2}}\nloss:",
        "job.yaml:8: decision.threshold.by: unknown value 'f2' (allowed: f1, balanced_accuracy, matthews)",
    ),
    "logarithm of classes": (
        "  source:",
        "  target: {transform: log}\n  source:",
        "job.yaml:3: data.target.transform: log is for a regression, but the loss is for classes: remove it",
    ),
    "unknown metric": (
        "loss:",
        "metrics: [acuracy]\nloss:",
        "job.yaml:8: metrics.0: unknown metric 'acuracy': did you mean 'accuracy'? "
        "(allowed: accuracy, top_k, precision, recall, f1, balanced_accuracy, matthews, log_loss, "
        "precision_macro, precision_micro, recall_macro, recall_micro, "
        "f1_macro, f1_micro, confusion_matrix, "
        "roc_auc, average_precision, mse, rmse, mae, r2)",
    ),
    "no guesses": (
        "loss:",
        "metrics: [{type: top_k, k: 0}]\nloss:",
        "job.yaml:8: metrics.0.k: must be at least 1, got 0",
    ),
    "metric given twice": (
        "loss:",
        "metrics: [top_5, {type: top_k, k: 5}]\nloss:",
        "job.yaml:8: metrics: must name each metric once, got top_5 more than once",
    ),
    "key given twice": (
        "  epochs: 3\n",
        "  epochs: 3\n  epochs: 4\n",
        "job.yaml:11: train.epochs: duplicate key, first given in line 10",
    ),
    "key that is no text": (
        "loss:",
        "7: x\nloss:",
        "job.yaml:8: 7: a key must be text (quotes make it text)",
    ),
    "split": (
        "digits}\nmodel",
        "digits}\n  split: {validation: 0.5, test: 0.5}\nmodel",
        "job.yaml:4: data.split.test: validation + test must be less than 1, got 0.5 + 0.5: "
        "nothing is left to train on",
    ),
    "split with a default": (
        "digits}\nmodel",
        "digits}\n  split: {validation: 0.95}\nmodel",
        "job.yaml:4: data.split.test: validation + test must be less than 1, got 0.95 + 0.1: "
        "nothing is left to train on",
    ),
    "nesterov": (
        "type: adam",
        "type: sgd\n    nesterov: true",
        "job.yaml:13: train.optimizer.nesterov: needs momentum: set momentum above 0, such as 0.9",
    ),
    "more workers than groups": (
        "loss:",
        "scaling: {num_workers: 3}\nloss:",
        "job.yaml:10: train.batch_size: 64 samples in groups of 32 (group_size) make 2 groups, too few for "
        "3 workers: set group_size to 21 or less, or batch_size to 96 or more",
    ),
    "more workers than samples": (
        "epochs: 3",
        "batch_size: 1",
        "job.yaml:10: train.batch_size: 1 sample in groups of 32 (group_size) make 1 group, too few for "
        "2 workers: set batch_size to at least 2",
    ),
    "batch norm of groups of one": (
        "10}\nloss: {type: cross_entropy}\ntrain:",
        "10}\n    - {type: residual, layers: [{type: batch_norm}]}\nloss: cross_entropy\ntrain:\n  group_size: 1",
        "job.yaml:11: train.group_size: batch_norm has nothing to average in groups of one sample: set it to 2 or more",
    ),
    "unknown monitor": (
        "epochs: 3",
        "stop: {monitor: val_acuracy}",
        "job.yaml:10: train.stop.monitor: unknown monitor 'val_acuracy': did you mean 'val_accuracy'? "
        "(allowed with these metrics: train_loss, val_loss, val_accuracy, train_accuracy)",
    ),
    "monitor that is no number": (
        "loss:",
        "metrics: [confusion_matrix]\ncheckpoint: {monitor: val_confusion_matrix}\nloss:",
        "job.yaml:9: checkpoint.monitor: unknown monitor 'val_confusion_matrix' "
        "(allowed with these metrics: train_loss, val_loss)",
    ),
    "metric of another task": (
        "loss:",
        "metrics: [accuracy, r2]\nloss:",
        "job.yaml:8: metrics.1: r2 is for regression, but the loss is for classification",
    ),
    "loss of another task": (
        "digits}\nmodel",
        "digits}\n  task: regression\nmodel",
        "job.yaml:9: loss.type: cross_entropy is for classification, but the data's task is regression",
    ),
    "no epochs to wait for": (
        "epochs: 3",
        "stop: {min_delta: 0.1}",
        "job.yaml:10: train.stop.min_delta: has no effect without patience: set train.stop.patience, or remove it",
    ),
    "plateau after the stop": (
        "epochs: 3",
        "schedule: {type: plateau, patience: 3}\n  stop: {patience: 4}",
        "job.yaml:10: train.schedule.patience: the learning rate falls after 4 epochs without improvement, "
        "but training stops after 4: set train.stop.patience to at least 5",
    ),
    "alpha of relu": (
        "{type: dense, units: 10}",
        "{type: activation, function: {type: relu, alpha: 0.1}}",
        "job.yaml:7: model.layers.1.function: unknown key 'alpha' (allowed: type)",
    ),
    "one test file of two": (
        "{type: sklearn, name: digits}",
        "{type: idx, images: a, labels: b, test_images: c}",
        "job.yaml:3: data.source.test_labels: must be given together with test_images",
    ),
    "target among the features": (
        "{type: sklearn, name: digits}",
        "{type: csv, path: a, target: y, features: [x, y]}",
        "job.yaml:3: data.source.features: must not hold the target column 'y'",
    ),
    "categories that are no features": (
        "{type: sklearn, name: digits}",
        "{type: csv, path: a, target: y, features: [x], categorical: [x, z]}",
        "job.yaml:3: data.source.categorical: must be among data.source.features, which lacks 'z'",
    ),
    "constant without value": (
        "digits}\nmodel",
        "digits}\n  preprocess: [{type: impute, strategy: constant}]\nmodel",
        "job.yaml:4: data.preprocess.0.value: is required by the strategy constant",
    ),
    "value without constant": (
        "digits}\nmodel",
        "digits}\n  preprocess: [{type: impute, value: 3}]\nmodel",
        "job.yaml:4: data.preprocess.0.value: has no effect with the strategy mean: "
        "remove it, or set strategy: constant",
    ),
    "empty range": (
        "digits}\nmodel",
        "digits}\n  preprocess: [{type: min_max, low: 2}]\nmodel",
        "job.yaml:4: data.preprocess.0.high: must be greater than low (2), got 1",
    ),
    "weights of the classes": (
        "{type: cross_entropy}",
        "{type: cross_entropy, class_weights: balance}",
        "job.yaml:8: loss.class_weights: unknown value 'balance': did you mean 'balanced'? (allowed: balanced)",
    ),
    "one weight of the classes": (
        "{type: cross_entropy}",
        "{type: cross_entropy, class_weights: [1, -2]}",
        "job.yaml:8: loss.class_weights.1: must be at least 0, got -2",
    ),
    "tag that is no text": (
        "loss:",
        "tracking: {tags: {version: 3}}\nloss:",
        "job.yaml:8: tracking.tags.version: must be text, got 3 (quotes make it text)",
    ),
}


@pytest.mark.parametrize(("old", "new", "problem"), ONE_PROBLEM.values(), ids=ONE_PROBLEM.keys())
def test_one_problem(problems_of, old, new, problem):
    assert BASE.count(old) >= 1
    assert problems_of(BASE.replace(old, new, 1)) == [problem]


VALID = {
    "one worker and a small batch": ("epochs: 3", "batch_size: 8", ["scaling.num_workers=1"]),
    "the last group is short": ("epochs: 3", "batch_size: 65", ["scaling.num_workers=3"]),
    "in process": ("epochs: 3", "batch_size: 1", ["scaling.num_workers=0"]),
    "no validation, nothing that needs it": (
        "epochs: 3",
        "epochs: 4",
        ["data.split.validation=0", "checkpoint.monitor=train_loss"],
    ),
    "monitor of a metric": ("loss:", "metrics: [top_3]\nloss:", ["train.stop.monitor=val_top_3"]),
    "weights": ("{type: cross_entropy}", "{type: cross_entropy, class_weights: balanced}", []),
    "plateau before the stop": (
        "epochs: 3",
        "epochs: 4",
        ["train.schedule={type: plateau}", "train.stop.patience=5"],
    ),
    "merged mappings": (
        "    - {type: dense, units: 16, activation: relu}",
        "    - &hidden {type: dense, units: 16}\n    - {<<: *hidden, units: 8}",
        [],
    ),
}


@pytest.mark.parametrize(("old", "new", "overrides"), VALID.values(), ids=VALID.keys())
def test_no_problem(problems_of, old, new, overrides):
    assert problems_of(BASE.replace(old, new, 1), *overrides) == []


def test_a_monitor_on_validation_data_needs_some(problems_of):
    text = BASE.replace("digits}\nmodel", "digits}\n  split: {validation: 0}\nmodel")
    text += "  stop: {target: 0.1, monitor: val_loss}\n  schedule: {type: plateau, monitor: val_loss}\n"
    text += "checkpoint: {monitor: val_loss}\n"
    needs = "val_loss needs a validation split: set data.split.validation above 0, or monitor train_loss"
    assert problems_of(text) == [
        f"job.yaml:15: train.stop.monitor: {needs}",
        f"job.yaml:16: train.schedule.monitor: {needs}",
        f"job.yaml:17: checkpoint.monitor: {needs}",
    ]


def test_without_validation_samples_the_training_loss_is_watched(file, problems_of):
    text = BASE.replace("digits}\nmodel", "digits}\n  split: {validation: 0}\nmodel")
    config = load_config(file(text), ["train.schedule=plateau", "train.stop.patience=9", SWEEP])
    watched = (config.checkpoint.monitor, config.train.stop.monitor, config.train.schedule.monitor, config.sweep.metric)
    assert watched == ("train_loss",) * 4
    assert load_config(file(render(config))) == config
    assert load_config(file(BASE), ["train.schedule=plateau"]).train.schedule.monitor == "val_loss"
    assert load_config(file(BASE), ["data.split.validation=0"]).checkpoint.monitor == "train_loss"
    assert problems_of(text, "checkpoint=3", "train.stop=[]") == [
        "override checkpoint=3: must be a mapping, got 3",
        "override train.stop=[]: must be a mapping, got a list",
    ]


SWEEP = "sweep={parameters: {seed: {type: choice, values: [1, 2]}}}"
ONE_LINE = {
    "a key of a section": ("train:", "trian:", "unknown key 'trian': did you mean 'train'?"),
    "a key that others are compared with": ("epochs: 3", "batch_siez: 32", "unknown key 'batch_siez'"),
    "initials": ("learning_rate:", "lr:", "train.optimizer: unknown key 'lr': did you mean 'learning_rate'?"),
    "another word for a required key": (
        "units: 10",
        "size: 10",
        "model.layers.1: unknown key 'size' (missing: units; allowed: type, units,",
    ),
    "another word for a required section": (
        "model:",
        "network:",
        "unknown key 'network' (missing: model; allowed: name,",
    ),
    "the key type": (
        "type: adam",
        "typ: adam",
        "train.optimizer: unknown key 'typ': did you mean 'type'? (allowed types:",
    ),
    "other words for two required keys": (
        "loss:",
        "sweep: {parameters: {seed: {type: randint, min: 1, high: 2}}}\nloss:",
        "sweep.parameters.seed: unknown key 'min' (missing: low; allowed: type, low, high)",
    ),
}


@pytest.mark.parametrize(("old", "new", "problem"), ONE_LINE.values(), ids=ONE_LINE.keys())
def test_one_wrong_key_is_one_line(problems_of, old, new, problem):
    (line,) = problems_of(BASE.replace(old, new, 1))
    assert problem in line


def test_all_problems_at_once_in_the_order_of_the_file(problems_of):
    text = (
        BASE.replace("1e-3", "-1")
        .replace("epochs: 3", "batch_size: 32")
        .replace("units: 10", "unit: 10")
        .replace("name: digits\n", "name: digits\nnmae: x\nname: y\n")
        .replace("cross_entropy", "cross_entropie")
    )
    assert problems_of(text, "seed=-1", "trian.epochs=2", "epochs") == [
        f"job.yaml:2: unknown key 'nmae': did you mean 'name'? (allowed: {SECTIONS})",
        "job.yaml:3: name: duplicate key, first given in line 1",
        "job.yaml:9: model.layers.1: unknown key 'unit': did you mean 'units'? "
        "(allowed: type, units, activation, bias, initializer)",
        f"job.yaml:10: loss.type: unknown type 'cross_entropie': did you mean 'cross_entropy'? (allowed: {LOSSES})",
        "job.yaml:12: train.batch_size: 32 samples in groups of 32 (group_size) make 1 group, too few for "
        "2 workers: set group_size to 16 or less, or batch_size to 64 or more",
        "job.yaml:15: train.optimizer.learning_rate: must be greater than 0, got -1",
        "override seed=-1: must be at least 0, got -1",
        f"override trian.epochs=2: unknown key 'trian': did you mean 'train'? (allowed: {SECTIONS})",
        "override epochs: must have the form key=value, such as train.epochs=20",
    ]


NOT_A_MAPPING = {
    "empty": ("", "job.yaml: the file is empty; required keys: name, data, model, loss, train"),
    "only a comment": (
        "# later\n",
        "job.yaml: the file is empty; required keys: name, data, model, loss, train",
    ),
    "a list": ("# a\n- b\n", "job.yaml:2: must be a mapping (key: value) at the top, got a list"),
    "text": ("digits\n", "job.yaml:1: must be a mapping (key: value) at the top, got a single value"),
    "open bracket": (
        "name: [a\n",
        "job.yaml:2:1: not valid YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'",
    ),
    "tab": (
        "train:\n\tepochs: 3\n",
        "job.yaml:2:1: not valid YAML: while scanning for the next token, "
        "found character '\\t' that cannot start any token",
    ),
    "control character": (
        "name: a\nseed: \x01\n",
        "job.yaml:2:7: not valid YAML: the character '\\x01' is not allowed",
    ),
    "two documents": (
        "name: a\n---\nname: b\n",
        "job.yaml:2:1: not valid YAML: expected a single document in the stream, but found another document",
    ),
    "object": (
        "name: !!python/object/apply:os.getcwd []\n",
        "job.yaml:1:7: not valid YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.getcwd'",
    ),
    "impossible date": (
        "name: a\nseed: 2020-13-01\n",
        "job.yaml:2:7: not valid YAML: '2020-13-01' is no timestamp: month must be in 1..12",
    ),
    "alias of itself": (
        "data: &x [*x]\n",
        "job.yaml:1:7: not valid YAML: an alias refers to what it is part of",
    ),
    "very deep": ("[" * 5000, "job.yaml:1:101: not valid YAML: nested too deeply"),
}


@pytest.mark.parametrize(("text", "problem"), NOT_A_MAPPING.values(), ids=NOT_A_MAPPING.keys())
def test_not_a_mapping(problems_of, text, problem):
    assert problems_of(text) == [problem]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("none.yaml", "there is no such file"),
        (".", "this is a directory, not a configuration file"),
        ("binary.yaml", "this is not UTF-8 text (byte 6): not a YAML file?"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, monkeypatch, path, problem):
    monkeypatch.chdir(tmp_path)
    Path("binary.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.problems == [f"{path}: {problem}"]


def test_a_byte_order_mark_is_no_part_of_the_first_key(file):
    assert load_config(file("\ufeff" + BASE)).name == "digits"


def test_a_threshold_is_chosen_on_a_validation_split(problems_of):
    overrides = ["decision.threshold={by: f1}", "data.split.validation=0", "checkpoint.monitor=train_loss"]
    [problem] = problems_of(BASE, *overrides)
    assert problem.startswith("override decision.threshold={by: f1}: to choose it by f1 needs a validation split: set")
