"""Does a checkpoint belong to this model and this data?"""

import math
from collections.abc import Collection, Mapping

from dist_bp.checkpoint.format import Arrays, Checkpoint
from dist_bp.errors import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]


def check_matches(
    checkpoint: Checkpoint,
    *,
    parameters: Shapes,
    statistics: Shapes,
    dtype: str,
    data_digest: str,
    slots: Collection[str] | None = None,
) -> None:
    """Compare a checkpoint with the model, data and optimizer slots of the configuration (`slots=None`: any).

    Raises CheckpointError with a line for each difference.
    """
    problems = array_differences(checkpoint, parameters, statistics)
    if checkpoint.dtype != dtype:
        problems.append(f"the model is {checkpoint.dtype} in the checkpoint, {dtype} in the configuration")
    if checkpoint.data_digest != data_digest:
        problems.append(
            f"the data is {checkpoint.data_digest[:12]} in the checkpoint, {data_digest[:12]} in the "
            "configuration: its content, split, data.preprocess or data.target is another"
        )
    if slots is not None and set(slots) != set(checkpoint.optimizer):
        problems.append(
            f"the optimizer keeps {_names(checkpoint.optimizer)} in the checkpoint, "
            f"{_names(slots)} in the configuration"
        )
    size = sum(math.prod(shape) for shape in parameters.values())
    problems = problems or [
        f"the optimizer's {name} is no vector of {size} numbers"
        for name, array in checkpoint.optimizer.items()
        if array.shape != (size,) or array.dtype != checkpoint.dtype
    ]
    if problems:
        remedy = "resume with the configuration of that run, or start a new run"
        raise CheckpointError([*problems, remedy])


def array_differences(checkpoint: Checkpoint, parameters: Shapes, statistics: Shapes) -> list[str]:
    """How its arrays differ in names, shapes or type from those of the configuration's model, a line each."""
    problems = _shape_differences(checkpoint.parameters, parameters)
    problems += _shape_differences(checkpoint.statistics, statistics)
    arrays = {**checkpoint.parameters, **checkpoint.statistics}
    strange = [name for name, array in arrays.items() if array.dtype != checkpoint.dtype]
    return problems + [f"layer {name} is {arrays[name].dtype}, the model {checkpoint.dtype}" for name in strange]


def _shape_differences(stored: Arrays, expected: Shapes) -> list[str]:
    problems = []
    for name in dict.fromkeys([*expected, *stored]):
        if name not in stored:
            problems.append(f"layer {name} is in the configuration and not in the checkpoint")
        elif name not in expected:
            problems.append(f"layer {name} is in the checkpoint and not in the configuration")
        elif stored[name].shape != expected[name]:
            problems.append(
                f"layer {name} is {stored[name].shape} in the checkpoint, {expected[name]} in the configuration"
            )
    return problems


def _names(slots: Collection[str]) -> str:
    return ", ".join(sorted(slots)) or "no state"
