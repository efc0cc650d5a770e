"""From a network's outputs to predictions as people read them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from dist_bp.data.targets import Targets
from dist_bp.metrics.two_classes import Decision
from dist_bp.nn.activations.sigmoid import logistic
from dist_bp.signals import Ragged
from dist_bp.types import Array

if TYPE_CHECKING:
    import pandas as pd

Activation = Literal["softmax", "sigmoid", "identity", "ctc"]


class Decided(NamedTuple):
    """The class (n,) of each sample, and the probabilities of all (n, classes), (n, 0) where outputs are none."""

    classes: Array
    probabilities: Array


def decide(outputs: Array, activation: Activation, decision: Decision | None = None) -> Decided:
    """`outputs` (n, k) of one class a sample; `decision` is that between two classes."""
    if activation == "sigmoid" and outputs.shape[1] == 1:
        classes = (outputs[:, 0] > 0).astype(np.intp)
        probabilities = np.concatenate([_sigmoid(-outputs), _sigmoid(outputs)], axis=1)
    else:
        classes = outputs.argmax(axis=1)
        probabilities = {"softmax": _softmax, "sigmoid": _sigmoid}.get(activation, _none)(outputs)
    if decision and not decision.is_plain:
        classes = decision.classes(decision.probabilities(outputs))
    return Decided(classes, probabilities)


def decode(
    outputs: Array,
    activation: Activation,
    targets: Targets,
    decision: Decision | None = None,
) -> "pd.DataFrame":
    """`outputs` (n, *output_shape) as a table of predictions, see `SavedModel.predict`, those of positions one below
    the other; `decision` is that between two classes."""
    import pandas as pd

    width = outputs.shape[-1] if targets.by_position else int(np.prod(outputs.shape[1:]))
    outputs = outputs.reshape(-1 if outputs.size else 0, width)
    classes = targets.classes
    if targets.task == "regression":
        return pd.DataFrame(_numbered("prediction", targets.undo(outputs)))
    if classes is None:
        return pd.DataFrame(
            _numbered("prediction", (outputs > 0).astype(np.int64)) | _numbered("probability", _sigmoid(outputs))
        )
    decided = decide(outputs, activation, decision)
    columns = {"prediction": np.array(classes)[decided.classes]}
    for place in range(decided.probabilities.shape[1]):
        columns[f"probability_{classes[place]}"] = decided.probabilities[:, place]
    return pd.DataFrame(columns)


def spelled(paths: Iterable[Ragged], targets: Targets) -> "pd.DataFrame":
    """Sequences of labels as a table of predictions, the classes of each with spaces between them."""
    import pandas as pd

    names = np.array([str(name) for name in targets.classes or ()])
    texts = [
        " ".join(names[labels[:length]])
        for path in paths
        for labels, length in zip(path.values, path.lengths, strict=True)
    ]
    return pd.DataFrame({"prediction": texts})


def with_positions(predictions: "pd.DataFrame", samples: int, lengths: Array | None) -> "pd.DataFrame":
    """The predictions for each position, with the columns `sample` and `position` before them: a sample has `lengths`
    (samples,) of them, None where all have as many."""
    if lengths is None:
        lengths = np.full(samples, len(predictions) // max(samples, 1))
    starts = np.cumsum(lengths) - lengths
    predictions.insert(0, "position", np.arange(len(predictions)) - np.repeat(starts, lengths))
    predictions.insert(0, "sample", np.repeat(np.arange(samples), lengths))
    return predictions


def _numbered(name: str, values: Array) -> dict[str, Array]:
    if values.shape[1] == 1:
        return {name: values[:, 0]}
    return {f"{name}_{column}": values[:, column] for column in range(values.shape[1])}


def _softmax(logits: Array) -> Array:
    powers: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def _sigmoid(logits: Array) -> Array:
    values = np.empty_like(logits)
    logistic(logits, out=values, scratch=np.empty_like(logits))
    return values


def _none(outputs: Array) -> Array:
    return outputs[:, :0]
