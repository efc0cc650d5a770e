"""From configuration to objects: what `type` alone does not say."""

import numpy as np

from dist_bp.config.component import construct
from dist_bp.config.model import ModelConfig
from dist_bp.nn import Model


def model(*layers):
    config = ModelConfig.model_validate({"layers": layers})
    return Model([construct(layer) for layer in config.layers], (4,))


def test_repeated_layers_are_those_written_out():
    block = [{"type": "dense", "units": 5, "activation": "relu"}, {"type": "dropout", "rate": 0.1}]
    last = {"type": "dense", "units": 2}
    short = model({"type": "repeat", "times": 2, "layers": block}, last)
    long = model(*block, *block, last)
    assert short.summary() == long.summary()
    (parameters, _), (same, _) = short.initialize(3), long.initialize(3)
    assert np.array_equal(parameters, same)
    nested = {"type": "repeat", "times": 2, "layers": [{"type": "repeat", "times": 3, "layers": [last]}]}
    assert len(model(nested).summary()) == 6
