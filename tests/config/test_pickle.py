"""A configuration travels to other processes, which derive the sections of its components for themselves."""

import pickle
import subprocess
import sys

import pytest

from dist_bp.config import load_config, render
from tests.config.conftest import BASE

LAYERS = """\
    - {type: residual, layers: [{type: dense, units: 16}, {type: 'my.own:Layer', rate: 1e-3, sizes: [1, 2]}]}
    - {type: repeat, times: 2, layers: [{type: flatten}]}
"""


@pytest.fixture
def config(file):
    text = BASE.replace("    - {type: dense, units: 16, activation: relu}\n", LAYERS)
    return load_config(file(text + "  schedule: {type: one_cycle}\n"), own_code=False)


def test_pickled_and_back_it_is_the_same(config):
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert render(again) == render(config)
    assert type(again.model.layers[0].layers[0]) is type(config.model.layers[0].layers[0])


def test_another_process_can_make_its_components(config, tmp_path):
    (tmp_path / "config.pickle").write_bytes(pickle.dumps((config.loss, config)))
    script = """if True:
        import pickle, sys
        from pathlib import Path
        loss, config = pickle.loads(Path("config.pickle").read_bytes())
        from dist_bp.config import render
        from dist_bp.config.component import construct
        print(type(construct(loss)).__name__, type(construct(config.train.schedule)).__name__)
        print(render(config), end="")
    """
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.stderr == ""
    assert ended.stdout == f"CrossEntropy OneCycle\n{render(config)}"
