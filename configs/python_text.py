"""Writes the licence of Python and the documentation strings of its standard library to a text file, python.txt.

    python configs/python_text.py [FILE]

They come with every installation of Python, whose licence allows to copy them. It takes some seconds.
"""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(module: Path) -> Iterator[str]:
    """Of a module, its classes and its functions; nothing is imported."""
    tree = ast.parse(module.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield text


def main(path: Path) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    licence = library / "LICENSE.txt"
    texts = [licence.read_text(encoding="utf-8")] if licence.exists() else []
    for module in sorted(library.glob("*.py")):
        texts += docstrings(module)
    path.write_text("\n\n".join(text.strip() for text in texts) + "\n", encoding="utf-8")
    print(f"{sum(map(len, texts)):,} characters written to {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "python.txt"))
