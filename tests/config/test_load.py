"""Reading a file: defaults, spellings of numbers, and files that are no configuration."""

from pathlib import Path

import pytest

from dist_bp.config import JobConfig, load_config
from dist_bp.errors import ConfigError
from tests.config.conftest import BASE


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
