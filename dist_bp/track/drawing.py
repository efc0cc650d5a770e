"""Figures as PNG files, drawn by a process of its own: it imports Matplotlib, and draws, beside the training."""

import base64
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread, Timer
from typing import Any

from dist_bp.errors import TrackingError
from dist_bp.imports import importing
from dist_bp.messages import one_line

SECONDS = 120.0
COMMAND = (sys.executable, "-P", "-m", __name__)
LIBRARY = "matplotlib.figure"


@dataclass(frozen=True)
class Picture:
    """A function of `dist_bp.track.figures` and its keyword arguments, as far as JSON knows them."""

    function: str
    arguments: Mapping[str, Any]


class Drawn:
    """The pictures of one round, once they are drawn."""

    def __init__(self) -> None:
        self.images: Future[Mapping[str, bytes]] = Future()

    def image(self, name: str) -> bytes:
        """The picture called `name`. Raises TrackingError where it cannot be drawn."""
        try:
            return self.images.result(SECONDS)[name]
        except TimeoutError as error:
            raise TrackingError(f"was not drawn within {SECONDS:g} s") from error


class Drawing:
    """Draws rounds of pictures, of one run after the other, until it is closed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._round = Lock()

    def start(self) -> None:
        """Starts the process ahead, unless this one has Matplotlib already, and so draws by itself."""
        if LIBRARY not in sys.modules and (self._process is None or self._process.poll() is not None):
            self.close()
            self._process = _started()

    def begin(self, pictures: Mapping[str, Picture]) -> Drawn:
        """Has the pictures drawn in the background."""
        drawn = Drawn()
        Thread(target=self._draw, args=(pictures, drawn), name="drawing", daemon=True).start()
        return drawn

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                with suppress(OSError):  # what it was asked and has not read
                    stream.close()

    def _draw(self, pictures: Mapping[str, Picture], drawn: Drawn) -> None:
        with self._round:
            try:
                self.start()
                process = self._process
                drawn.images.set_result(_drawn_by(process, pictures) if process else draw(pictures))
            except Exception as error:
                drawn.images.set_exception(error)


def draw(pictures: Mapping[str, Picture]) -> dict[str, bytes]:
    """Each picture as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from dist_bp.track import figures

    images = {}
    for name, one in pictures.items():
        file = io.BytesIO()
        # `savefig` draws everything twice for the same image
        FigureCanvasAgg(getattr(figures, one.function)(**one.arguments)).print_png(file)
        images[name] = file.getvalue()
    return images


def _drawn_by(process: "subprocess.Popen[str]", pictures: Mapping[str, Picture]) -> dict[str, bytes]:
    """What the process makes of the pictures; one that takes too long is ended."""
    assert process.stdin
    assert process.stdout
    patience = Timer(SECONDS, process.kill)
    patience.daemon = True
    patience.start()
    try:
        with suppress(OSError):  # it has ended, and so does not answer
            process.stdin.write(
                json.dumps({name: [one.function, dict(one.arguments)] for name, one in pictures.items()})
            )
            process.stdin.write("\n")
            process.stdin.flush()
        answer = json.loads(process.stdout.readline() or '{"failed": "its process ended"}')
    finally:
        patience.cancel()
    if "failed" in answer:
        raise TrackingError(f"drawing failed: {answer['failed']}")
    return {name: base64.b64decode(text) for name, text in answer["images"].items()}


def _started() -> "subprocess.Popen[str] | None":
    """None where there is no room for another process: this one then draws."""
    try:
        return subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the command
            text=True,
        )
    except OSError:
        return None


def main() -> None:
    """The process that draws: a line of JSON for each round of pictures, and one for its images, until there is no
    more to read."""
    with suppress(Exception), importing():  # what is wrong is told whoever asks for pictures
        from dist_bp.track import figures  # noqa: F401
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        images = draw({name: Picture(*one) for name, one in asked.items()})
    except Exception as error:
        return {"failed": one_line(error)}
    return {"images": {name: base64.b64encode(image).decode() for name, image in images.items()}}


if __name__ == "__main__":
    main()
