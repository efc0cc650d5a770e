"""Networks that do not fit together or the data: every command names layer, sizes and a way out, and starts nothing."""

from pathlib import Path

import numpy as np
import pytest

from tests.commands import run_here

RESHAPE = "bring them there with {type: reshape}"
RANDOM = np.random.default_rng(0)
SAMPLES, ROWS = 30, RANDOM.normal(size=(30, 5))
CLASSES = np.arange(SAMPLES) % 3
DATA = {
    "rows": ("{type: npz, path: data.npz}", {"x": ROWS}),
    "images": ("{type: npz, path: data.npz}", {"x": RANDOM.normal(size=(30, 8, 8, 1))}),
    "sequences": ("{type: npz, path: data.npz}", {"x": RANDOM.normal(size=(30, 12, 3))}),
    "ragged": ("{type: npz, path: data.npz}", {"x": RANDOM.normal(size=(60, 3)), "x_lengths": np.full(30, 2)}),
    "whole numbers": (
        "{type: npz, path: data.npz}, preprocess: [{type: integers}]",
        {"x": RANDOM.integers(0, 9, (30, 5))},
    ),
    "named": ("{type: npz, path: data.npz, inputs: {a: x, b: x}}", {"x": ROWS}),
    "two widths": ("{type: npz, path: data.npz, inputs: {a: x, b: z}}", {"x": ROWS, "z": ROWS[:, :2]}),
    "a class for each of 6": (
        "{type: npz, path: data.npz}",
        {"x": RANDOM.normal(size=(30, 7, 3)), "y": (CLASSES[:, np.newaxis] + np.arange(6)) % 3},
    ),
    "numbers for each of 6": (
        "{type: npz, path: data.npz}, task: regression",
        {"x": RANDOM.normal(size=(30, 7, 3)), "y": RANDOM.normal(size=(30, 6, 2))},
    ),
}
MISFITS = {
    "a kernel larger than the image": (
        "images",
        "[{type: conv2d, filters: 4, kernel: 9, padding: valid}, flatten, {type: dense, units: 3}]",
        ["layer 0: a window of 9 x 9 does not fit into 8 x 8: make it smaller, or set padding: same"],
    ),
    "a kernel that its dilation makes larger": (
        "images",
        "[{type: conv2d, filters: 4, kernel: 3, dilation: 4, padding: valid}, flatten, {type: dense, units: 3}]",
        ["layer 0: a window of 3 x 3 (9 x 9 with its dilation) does not fit into 8 x 8: make it smaller"],
    ),
    "a pool larger than what is left": (
        "images",
        "[{type: max_pool, size: 4}, {type: average_pool, size: 3}, flatten, {type: dense, units: 3}]",
        ["layer 1: a window of 3 x 3 does not fit into 2 x 2: make it smaller, or set padding: same"],
    ),
    "groups of channels": (
        "images",
        "[{type: conv2d, filters: 6, kernel: 3}, {type: group_norm, groups: 4}, flatten, {type: dense, units: 3}]",
        ["layer 1: group_norm: its 4 groups must divide the 6 channels: set groups to 1 or 2 or 3 or 6"],
    ),
    "groups of a convolution": (
        "images",
        "[{type: conv2d, filters: 6, kernel: 3, groups: 2}, flatten, {type: dense, units: 3}]",
        ["layer 0: conv2d: its 2 groups must divide the 1 channel: set groups to 1"],
    ),
    "rows into a convolution": (
        "rows",
        "[{type: conv2d, filters: 6, kernel: 3}, flatten, {type: dense, units: 3}]",
        [f"layer 0: conv2d takes samples of shape (rows, columns, channels), got (5,): {RESHAPE}"],
    ),
    "sequences into layers of images": (
        "sequences",
        "[random_flip, flatten, {type: dense, units: 3}]",
        [f"layer 0: random_flip takes images of shape (rows, columns, channels), got (12, 3): {RESHAPE}"],
    ),
    "images where a class for each is wanted": (
        "images",
        "[{type: conv2d, filters: 6, kernel: 3}, {type: dense, units: 3}]",
        ["cross_entropy over 3 classes needs 3 units", "it has the shape (8, 8, 3): put {type: flatten} before it"],
    ),
    "augmentation that leaves nothing": (
        "images",
        "[{type: cutout, size: 8}, flatten, {type: dense, units: 3}]",
        ["layer 0: cutout: size is 8, which can leave nothing of images of 8 x 8 x 1: set it below 8"],
    ),
    "a margin as wide as the image": (
        "images",
        "[{type: random_crop, padding: 9}, flatten, {type: dense, units: 3}]",
        ["layer 0: random_crop: padding is 9, which can leave nothing of images of 8 x 8 x 1: set it below 8"],
    ),
    "numbers into an embedding": (
        "rows",
        "[{type: embedding, size: 4}, flatten, {type: dense, units: 3}]",
        ["layer 0: embedding takes whole numbers, its input is 5: make some with {type: categories}"],
    ),
    "whole numbers into a layer of numbers": (
        "whole numbers",
        "[{type: dense, units: 3}]",
        ["layer 0: dense takes numbers, its input is 5, whole numbers: put {type: embedding} before it"],
    ),
    "samples of different lengths": (
        "ragged",
        "[{type: dense, units: 4}, flatten, {type: dense, units: 3}]",
        [
            "layer 1: flatten takes samples of one length, its input is any x 4: give the samples one length, or keep "
            "to layers that take each position by itself"
        ],
    ),
    "a class for each where a class is wanted": (
        "ragged",
        "[{type: dense, units: 3}]",
        [
            "cross_entropy: the last layer gives any x 3, an output for each position of samples of different lengths, "
            "and a target is for a whole sample: put {type: mean_over_time}, {type: max_over_time} or {type: last} "
            "before the last layer, or give a target for each position"
        ],
    ),
    "several inputs into a layer of one": (
        "named",
        "[{type: dense, units: 3}]",
        ["layer 0: dense takes one input, here are 2 (a, b): bring them together with {type: branches}"],
    ),
    "wrong layers in several branches": (
        "named",
        "[{type: branches, inputs: {a: [{type: conv2d, filters: 2, kernel: 3}], b: [{type: embedding, size: 3}]}},"
        " {type: dense, units: 3}]",
        [
            "layer 0: a: layer 0: conv2d takes samples of shape",
            "layer 0: b: layer 0: embedding takes whole numbers",
        ],
    ),
    "inputs without branches and branches without inputs": (
        "named",
        "[{type: branches, inputs: {a: [], c: []}}, {type: dense, units: 3}]",
        [
            "layer 0: branches: there is no input 'c', only a, b",
            "layer 0: branches: the input 'b' has no layers: add `b: []`",
        ],
    ),
    "one input into branches": (
        "rows",
        "[{type: branches, inputs: {a: [], b: []}}, {type: dense, units: 3}]",
        ["layer 0: branches takes several named inputs, here is one, 5: put its layers without branches"],
    ),
    "branches that cannot be added": (
        "two widths",
        "[{type: branches, inputs: {a: [], b: []}, merge: add}, {type: dense, units: 3}]",
        ["cannot be merged by add, a 5, b 2: end all in one shape, or use merge: concat"],
    ),
    "branches of other axes": (
        "two widths",
        "[{type: branches, inputs: {a: [{type: reshape, shape: [5, 1]}], b: []}}, {type: dense, units: 3}]",
        ["cannot be merged by concat, a 5 x 1, b 2: end all in {type: flatten}"],
    ),
    "targets of other positions": (
        "a class for each of 6",
        "[{type: dense, units: 3}]",
        [
            "cross_entropy: a target has 6 positions, and the last layer gives 7 x 3, 7 positions: targets and outputs "
            "must have as many"
        ],
    ),
    "an output where one for each position is wanted": (
        "a class for each of 6",
        "[flatten, {type: dense, units: 3}]",
        [
            "cross_entropy: a target has 6 positions, and the last layer gives 3 for a whole sample: keep to layers "
            "that take each position by itself, or end in {type: reshape, shape: [6, 3]}"
        ],
    ),
    "numbers of other positions": (
        "numbers for each of 6",
        "[{type: dense, units: 2}]",
        ["mse: a target has 6 positions, and the last layer gives 7 x 2, 7 positions"],
    ),
    "a residual of two shapes": (
        "images",
        "[{type: residual, layers: [{type: conv2d, filters: 2, kernel: 3, stride: 2}]}, flatten,"
        " {type: dense, units: 3}]",
        ["layer 0: residual adds 8 x 8 x 1 to what its layers make of it, 4 x 4 x 2", "layers in `shortcut`"],
    ),
    "both ways of a residual at once": (
        "images",
        "[{type: residual, layers: [flatten, {type: conv2d, filters: 2, kernel: 3}],"
        " shortcut: [{type: group_norm, groups: 2}]}, flatten, {type: dense, units: 3}]",
        [
            "layer 0: layers: layer 1: conv2d takes samples of shape (rows, columns, channels), got (64,)",
            "layer 0: shortcut: layer 0: group_norm: its 2 groups must divide the 1 channel: set groups to 1",
        ],
    ),
}


@pytest.mark.parametrize(("data", "layers", "told"), MISFITS.values(), ids=MISFITS)
def test_shapes_that_do_not_chain(workplace: Path, data: str, layers: str, told: list[str]) -> None:
    ended = train(data, layers)
    assert ended[0] == 2
    assert len(ended[1]) <= len(told)
    for words in told:
        assert any(words in line for line in ended[1])
    assert not Path("mlflow.db").exists()


def test_what_is_wrong_with_options_is_told_before_the_data_is_read(workplace: Path) -> None:
    layers = """
    - {type: conv2d, filters: 0, kernel: 3}
    - {type: conv2d, filters: 4, kernel: [3, 3, 3]}
    - {type: conv2d, filters: 4, kernel: [3, 0]}
    - {type: conv2d, filters: 4, kernel: 3, stride: 0, dilation: -1}
    - {type: conv2d, filters: 4, kernel: 3, groups: 3}
    - {type: conv2d, filters: 4, kernel: 3, padding: full}
    - {type: max_pool, size: big}
    - {type: conv1d, filters: 4, kernel: [3, 3]}
    - {type: branches, inputs: {}}
    - {type: branches, inputs: {a: dense}}"""
    code, lines = train("rows", layers, command="validate")
    assert code == 2
    assert [line.partition("model.layers.")[2] for line in lines] == [
        "0.filters: must be at least 1, got 0",
        "1.kernel: must have at most 2 entries, got 3",
        "2.kernel: must be at least 1, got 0",
        "3.stride: must be at least 1, got 0",
        "3.dilation: must be at least 1, got -1",
        "4.groups: must divide the 4 filters, got 3",
        "5.padding: unknown value 'full' (allowed: same, valid, a number or a list)",
        "6.size: must be a whole number, got 'big'",
        "7.kernel: must be a whole number, got a list",
        "8.inputs: must not be empty",
        "9.inputs.a: must be a list, got 'dense'",
    ]


def train(data: str, layers: str, command: str = "train") -> tuple[int, list[str]]:
    """Exit code and lines of errors."""
    source, arrays = DATA[data]
    if command == "train":
        np.savez("data.npz", **{"y": CLASSES, **arrays})
    Path("job.yaml").write_text(
        f"name: misfit\ndata: {{source: {source}}}\nmodel:\n  layers: {layers}\n"
        f"loss: {'mse' if 'regression' in source else 'cross_entropy'}\n"
        "train: {optimizer: sgd, epochs: 1, batch_size: 8}\nscaling: {num_workers: 0}\n"
    )
    ended = run_here(command, "job.yaml")
    return ended.returncode, ended.stderr.splitlines()
