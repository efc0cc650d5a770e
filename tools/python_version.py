"""Fails with one line where pyproject.toml does not allow the Python that runs this. Any Python can run it, 2 too."""

import re
import sys

with open("pyproject.toml") as file:
    first, beyond = map(int, re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', file.read())[0])

if not (3, first) <= sys.version_info[:2] < (3, beyond):
    needed = "dist_bp needs Python 3." + str(first) + " to 3." + str(beyond - 1)
    this = sys.executable + " is " + sys.version.split()[0]
    sys.exit(needed + ", and " + this + ": name another, as in `make PYTHON=python3." + str(beyond - 1) + "`")
