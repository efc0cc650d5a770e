"""Figures as PNG files, drawn by a process of its own: it imports Matplotlib beside the training, not after it."""

import base64
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Any

from dist_bp.errors import TrackingError
from dist_bp.imports import importing
from dist_bp.messages import last_line

SECONDS = 120.0
COMMAND = (sys.executable, "-P", "-m", __name__)
LIBRARY = "matplotlib.figure"


@dataclass(frozen=True)
class Picture:
    """A function of `dist_bp.track.figures` and its keyword arguments, as far as JSON knows them."""

    function: str
    arguments: Mapping[str, Any]


class Drawing:
    """One round of drawing. The process starts here, unless this one has Matplotlib already."""

    def __init__(self) -> None:
        self._process = None if LIBRARY in sys.modules else _started()
        self._drawn: Future[Mapping[str, bytes]] = Future()

    def begin(self, pictures: Mapping[str, Picture]) -> None:
        """Has the pictures drawn in the background; to be called once."""
        Thread(target=self._draw, args=(pictures,), name="drawing", daemon=True).start()

    def image(self, name: str) -> bytes:
        """The picture called `name`, once it is drawn. Raises TrackingError where it cannot be drawn."""
        try:
            return self._drawn.result(SECONDS)[name]
        except TimeoutError as error:
            raise TrackingError(f"was not drawn within {SECONDS:g} s") from error

    def close(self) -> None:
        """Ends the process."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr) if self._process else ():
            if stream:
                stream.close()

    def _draw(self, pictures: Mapping[str, Picture]) -> None:
        try:
            if self._process is None:
                self._drawn.set_result(draw(pictures))
                return
            asked = json.dumps({name: [one.function, dict(one.arguments)] for name, one in pictures.items()})
            answer, said = self._process.communicate(asked, SECONDS)
            if self._process.returncode:
                raise TrackingError(f"drawing failed: {last_line(said) or 'its process ended'}")
            self._drawn.set_result({name: base64.b64decode(text) for name, text in json.loads(answer).items()})
        except Exception as error:
            self._drawn.set_exception(error)


def draw(pictures: Mapping[str, Picture]) -> dict[str, bytes]:
    """Each picture as a PNG file."""
    from dist_bp.track import figures

    images = {}
    for name, one in pictures.items():
        file = io.BytesIO()
        getattr(figures, one.function)(**one.arguments).savefig(file, format="png")
        images[name] = file.getvalue()
    return images


def _started() -> "subprocess.Popen[str] | None":
    """None where there is no room for another process: this one then draws."""
    try:
        return subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the command
            text=True,
        )
    except OSError:
        return None


def main() -> None:
    """The process that draws: pictures come in as JSON, images go out so; without any, the command was given up."""
    with importing():
        from dist_bp.track import figures  # noqa: F401

    asked = sys.stdin.read()
    if asked:
        images = draw({name: Picture(*one) for name, one in json.loads(asked).items()})
        print(json.dumps({name: base64.b64encode(image).decode() for name, image in images.items()}))


if __name__ == "__main__":
    main()
