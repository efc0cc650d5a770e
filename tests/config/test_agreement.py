"""What one option asks of another: the problem at its place, and the way out."""

import pytest

from dist_bp.config import load_config, render
from tests.config.conftest import BASE, SWEEP

ONE_PROBLEM = {
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
    "batch norm in a branch": (
        "10}\nloss: {type: cross_entropy}\ntrain:",
        "10}\n    - {type: branches, inputs: {a: [batch_norm]}}\nloss: cross_entropy\ntrain:\n  group_size: 1",
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
        "job.yaml:8: loss.class_weights: unknown value 'balance': did you mean 'balanced'? (allowed: balanced, a list)",
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


def test_a_threshold_is_chosen_on_a_validation_split(problems_of):
    overrides = ["decision.threshold={by: f1}", "data.split.validation=0", "checkpoint.monitor=train_loss"]
    [problem] = problems_of(BASE, *overrides)
    assert problem.startswith("override decision.threshold={by: f1}: to choose it by f1 needs a validation split: set")
