"""A job as the Ray Jobs API wants it: entry point, runtime environment, resources."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dist_bp.config.document import Document, NotYaml
from dist_bp.errors import SubmitError
from dist_bp.files import read_file
from dist_bp.foreign import FILE_NAME, TEXT_BYTES
from dist_bp.messages import first_line
from dist_bp.runtime.ray_job import TYPED, retyped
from dist_bp.submit.address import Dashboard
from dist_bp.submit.client import JobsClient
from dist_bp.submit.upload import Upload, package

STOP_SECONDS = 120
"""What a job has to save a checkpoint and close its MLflow run before it is killed; Ray's default is 3."""

PACKAGE = Path(__file__).resolve().parent.parent
"""dist_bp itself."""

_OWN_PYTHON = ("pip", "uv", "conda", "container", "image_uri", "py_executable")


@dataclass(frozen=True)
class Options:
    """How a job is to be submitted, as given on the command line."""

    sweep: bool = False
    retries: int = 0
    resume: str | None = None
    submission_id: str | None = None
    env: Sequence[str] = ()
    runtime_env: Path | None = None
    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    resources: str | None = None


@dataclass(frozen=True)
class Checked:
    """The options, understood. `runtime_env` is that of the file with the variables of --env in it."""

    runtime_env: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, float] | None = None


def check_options(options: Options) -> tuple[Checked, list[str]]:
    """The options as the API wants them, and a line for each that is wrong."""
    problems: list[str] = []
    if options.submission_id is not None and not re.fullmatch(FILE_NAME, options.submission_id):
        problems.append(
            f"--submission-id {options.submission_id!r}: use letters, digits, '_', '.' and '-' only, not dots alone"
        )
    if options.resume == "":
        problems.append("--resume '': say what to go on with, or leave it out")
    variables = [item.partition("=") for item in options.env]
    problems += [
        f"--env {''.join(item)}: must have the form KEY=VALUE" for item in variables if not (item[0] and item[1])
    ]
    runtime_env: dict[str, Any] = {}
    try:
        runtime_env = _read_runtime_env(options.runtime_env) if options.runtime_env else {}
    except SubmitError as error:
        problems += error.problems
    resources = None
    if options.resources is not None:
        try:
            resources = _resources(options.resources)
        except ValueError as error:
            problems.append(f'--entrypoint-resources {options.resources}: {error}, such as {{"disk": 1}}')
    runtime_env["env_vars"] = {
        **({TYPED: shlex.join(words)} if (words := retyped()) else {}),
        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
        **runtime_env.get("env_vars", {}),
        **{name: value for name, _, value in variables},
    }
    return Checked(runtime_env, resources), problems


def build_request(
    name: str, config: Path, overrides: Sequence[str], options: Options, checked: Checked, dashboard: Dashboard
) -> dict[str, Any]:
    """All but the packages of the runtime environment, which `send_packages` adds."""
    request = {
        "entrypoint": _entry_point(config, overrides, options, python(dashboard, checked.runtime_env)),
        "submission_id": options.submission_id,
        "runtime_env": checked.runtime_env,
        "metadata": {"job_name": name, "config": config.as_posix()},
        "entrypoint_num_cpus": options.num_cpus,
        "entrypoint_num_gpus": options.num_gpus,
        "entrypoint_memory": options.memory,
        "entrypoint_resources": checked.resources,
    }
    return {key: value for key, value in request.items() if value is not None}


def send_packages(request: dict[str, Any], upload: Upload, client: JobsClient) -> dict[str, Any]:
    """The request with the working directory and modules, which are sent; dist_bp is, where it may be missing."""
    runtime_env = dict(request["runtime_env"])
    modules = [_module(module, client) for module in runtime_env.get("py_modules", ())]
    if not client.dashboard.is_own_head and not _brings_dist_bp(runtime_env):
        modules.append(package(PACKAGE).send(client))
    runtime_env["working_dir"] = upload.send(client)
    if modules:
        runtime_env["py_modules"] = modules
    runtime_env.pop("excludes", None)
    return request | {"runtime_env": runtime_env}


def python(dashboard: Dashboard, runtime_env: Mapping[str, Any]) -> str:
    """The interpreter of the job: that of the local head, unless the job brings another."""
    if dashboard.head and not any(key in runtime_env for key in _OWN_PYTHON):
        return dashboard.head.python
    return "python"


def _entry_point(config: Path, overrides: Sequence[str], options: Options, interpreter: str) -> str:
    command = [interpreter, "-m", "dist_bp", "sweep" if options.sweep else "train", config.as_posix(), *overrides]
    if options.resume:
        command += ["--resume", options.resume]
    if options.retries:
        command = [interpreter, "-m", "dist_bp.submit.attempts", str(options.retries), *command]
    return shlex.join(command)


def _resources(text: str) -> dict[str, float]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(
        isinstance(amount, int | float) and not isinstance(amount, bool) and amount >= 0 for amount in value.values()
    ):
        raise ValueError("must be a JSON object of numbers")
    return value


def _read_runtime_env(path: Path) -> dict[str, Any]:
    """The file as Ray understands it, with the requirements files that it names."""
    from ray.runtime_env import RuntimeEnv

    try:
        content = Document(read_file(path, TEXT_BYTES).decode()).data or {}
    except OSError as error:
        raise SubmitError(f"--runtime-env {path}: cannot be read: {error.strerror}") from error
    except (NotYaml, UnicodeDecodeError) as error:
        raise SubmitError(f"--runtime-env {path}: not valid YAML: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise SubmitError(f"--runtime-env {path}: must be a mapping such as pip: [numpy]")
    if "working_dir" in content:
        raise SubmitError(f"--runtime-env {path}: leave working_dir out: the current folder is sent")
    known = {key for key in RuntimeEnv.known_fields if not key.startswith("_")}
    unknown = [f"{key!r}" for key in content if key not in known]
    if unknown:
        raise SubmitError(f"--runtime-env {path}: unknown {', '.join(unknown)} (allowed: {', '.join(sorted(known))})")
    missing = [
        text for text in map(str, content.get("py_modules") or ()) if "://" not in text and not Path(text).is_dir()
    ]
    if missing:
        raise SubmitError([f"--runtime-env {path}: py_modules: there is no folder {text}" for text in missing])
    own = {key: content.pop(key) for key in ("py_modules", "excludes") if key in content}
    try:
        return {**RuntimeEnv(**content).to_dict(), **own}
    except (TypeError, ValueError, OSError) as error:
        raise SubmitError(f"--runtime-env {path}: {first_line(error)}") from error


def _module(module: Any, client: JobsClient) -> str:
    """The URI of a module of the user's own: one that is there, or that of a folder that is sent."""
    text = str(module)
    return text if "://" in text else package(Path(text)).send(client)


def _brings_dist_bp(runtime_env: Mapping[str, Any]) -> bool:
    installed = json.dumps([runtime_env.get(key) for key in ("py_modules", "pip", "uv", "conda")])
    return any(key in runtime_env for key in ("container", "image_uri")) or bool(re.search("dist[-_]bp", installed))
