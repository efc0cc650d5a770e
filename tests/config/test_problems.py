"""What is wrong with a key or a value: every problem on one line, at its place, with what is allowed."""

import pytest

from dist_bp.components import LAYERS
from tests.config.conftest import BASE

SECTIONS = (
    "name, seed, data, model, loss, metrics, decision, train, scaling, parameter_server, checkpoint, failure, "
    "tracking, ray, sweep"
)
LOSSES = "cross_entropy, binary_cross_entropy, mse, mae, huber, ctc, module:Name"


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
        "(allowed: type, learning_rate, weight_decay, decoupled, beta1, beta2, epsilon, lazy)",
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
        "group_size, accumulate, shuffle, group_by_length, optimizer, schedule, clip_norm, clip_value, stop)",
    ),
    "misspelt name of a component": (
        "{type: cross_entropy}",
        "cross_entropie",
        f"job.yaml:8: loss: unknown type 'cross_entropie': did you mean 'cross_entropy'? (allowed: {LOSSES})",
    ),
    "text for a number": (
        "loss:",
        "scaling: {servers_per_node: Auto}\nloss:",
        "job.yaml:8: scaling.servers_per_node: unknown value 'Auto': did you mean 'auto'? (allowed: auto, a number)",
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
        "perplexity, bits_per_character, "
        "precision_macro, precision_micro, recall_macro, recall_micro, "
        "f1_macro, f1_micro, confusion_matrix, "
        "roc_auc, average_precision, label_error_rate, mse, rmse, mae, r2)",
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
}


@pytest.mark.parametrize(("old", "new", "problem"), ONE_PROBLEM.values(), ids=ONE_PROBLEM.keys())
def test_one_problem(problems_of, old, new, problem):
    assert BASE.count(old) >= 1
    assert problems_of(BASE.replace(old, new, 1)) == [problem]


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
