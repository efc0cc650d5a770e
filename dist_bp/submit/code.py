"""The user's own code that a job needs, and whether it is sent along."""

import sys
from collections.abc import Iterator
from pathlib import Path

from dist_bp.config import JobConfig
from dist_bp.config.trust import named_code
from dist_bp.submit.upload import Upload


def hidden_code(config: JobConfig, upload: Upload) -> list[str]:
    """A line for each Python file of the folder that the configuration names, or that those import, but is not sent."""
    names = {name: name.partition(":")[0] for name in _code_of(config)}
    problems = [
        _problem(path, f"{name} is in it")
        for name, module in names.items()
        for path in _files(upload.root, module)
        if path not in upload.files
    ]
    if names:
        told = {path for module in names.values() for path in _files(upload.root, module)}
        problems += [
            _problem(path, "the code that the configuration names imports it")
            for path in sorted(_imported(upload.root) - told)
            if path not in upload.files
        ]
    return list(dict.fromkeys(problems))


def _problem(path: str, why: str) -> str:
    return (
        f"{path} is not sent, but {why}: .gitignore or .rayignore hides it; take it out there, for instance by a last "
        f"line !/{path}"
    )


def _code_of(config: JobConfig) -> list[str]:
    return sorted({*named_code(config), *(config.sweep.conditions if config.sweep else ())})


def _files(root: Path, module: str) -> Iterator[str]:
    """The files below `root` that importing the module reads, as far as they are there."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                yield file.relative_to(root).as_posix()


def _imported(root: Path) -> set[str]:
    """Modules of this process that lie below `root`, but not in an environment there."""
    files = [Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]
    below = [file for file in files if file.suffix == ".py" and file.is_relative_to(root)]
    return {file.relative_to(root).as_posix() for file in below if "site-packages" not in file.parts}
