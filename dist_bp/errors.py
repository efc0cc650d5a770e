"""The exceptions of dist_bp: each carries the exit code of the command that it ends."""

from collections.abc import Sequence


class DistBpError(Exception):
    """Anything that ends a command with a message instead of a traceback."""

    exit_code = 1


class UserError(DistBpError):
    """Something the user gave is wrong; `problems` holds one line for each thing to mend."""

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type["UserError"], tuple[list[str]]]:
        return type(self), (self.problems,)


class ConfigError(UserError):
    """The configuration file or an override of it is wrong."""


class OptionError(ConfigError):
    """One option of a component does not go with the others; `reason` is the message without the option's name."""

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"{option}: {reason}")
        self.option, self.reason = option, reason

    def __reduce__(self) -> tuple[type["OptionError"], tuple[str, str]]:  # type: ignore[override]
        return type(self), (self.option, self.reason)


class ShapeError(ConfigError):
    """The layers do not fit each other, the data or the loss."""


class DataError(UserError):
    """The data cannot be read or is not fit for training."""


class CapacityError(UserError):
    """The job needs more processors, memory or disk than there is."""


class CheckpointError(UserError):
    """A checkpoint or saved model is missing, damaged or belongs to something else."""


class UntrustedCode(UserError):
    """A model or checkpoint names code of the user's own, and nobody has said that it may run."""


class TrackingError(UserError):
    """The MLflow store cannot be reached or written."""


class SubmitError(UserError):
    """The job cannot be submitted as it is, or the cluster cannot be reached."""


class TrainingFailed(DistBpError):
    """The run started and could not go on."""


class Interrupted(DistBpError):
    """The user or the system asked the run to stop."""

    exit_code = 130
