"""`generate`: a language model goes on with a text."""

import json
import sys
from typing import Annotated, TextIO

import typer

from dist_bp.cli.models import JobFile, ModelName, Notes, opened
from dist_bp.cli.options import AsJson, TrustCode, text_stream

MOST_CHARACTERS = 2**20
"""Of a prompt in a file or on standard input: the last ones, of which a model sees some hundred tokens."""
MOST_BYTES = 2**26
"""Of standard input."""
CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
"""Characters that a terminal takes for orders, and what it shows in their place."""


def generate(
    model: ModelName,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="The text to go on with.")] = None,
    input: Annotated[
        str | None, typer.Option(metavar="FILE", help="A file with the prompt; - is standard input.")
    ] = None,
    tokens: Annotated[int, typer.Option(metavar="N", help="How many tokens follow.")] = 200,
    temperature: Annotated[
        float, typer.Option(metavar="T", help="Below 1 likely tokens are preferred; 0: always the most likely.")
    ] = 0.8,
    top_k: Annotated[
        int | None, typer.Option(metavar="K", help="Choose among the K most likely tokens.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed gives the same text.")] = 0,
    config: JobFile = None,
    trust_code: TrustCode = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a text, by a model that has learnt which token comes next."""
    from dist_bp.serve.language import Sampling

    sampling, text = Sampling(tokens, temperature, top_k, seed), _prompt(prompt, input)
    out, notes, chosen = text_stream(as_json), Notes(), []
    with opened(model, config, trust_code) as (saved, _):
        language = saved.language
        begun = language.prompt(text)
        for line in begun.notes:
            notes(line)
        _show(begun.text, out)
        for one in language.generate(begun, sampling):
            chosen.append(one)
            _show(one.text, out)
        print(file=out)
    if as_json:
        made = {
            "model": model,
            "step": saved.step,
            "prompt": begun.text,
            "text": "".join(one.text for one in chosen),
            "tokens": [one._asdict() for one in chosen],
            "temperature": temperature,
            "top_k": top_k,
            "seed": seed,
            "notes": notes.lines,
        }
        print(json.dumps(made))


def _show(text: str, out: TextIO) -> None:
    print(text.translate(CONTROLS) if out.isatty() else text, end="", file=out, flush=True)


def _prompt(given: str | None, file: str | None) -> str:
    from dist_bp.data.text.reading import end_of_text
    from dist_bp.errors import UserError

    if given is not None and file is not None:
        raise UserError(f"both --prompt and --input {file} are given: give one")
    if given is not None:
        return given
    if file is None:
        raise UserError("there is nothing to go on with: give --prompt TEXT, or a file with --input")
    if file != "-":
        return end_of_text(file, "utf-8", MOST_CHARACTERS)
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UserError(f"standard input has more than {MOST_BYTES:,} bytes: give the end of the text alone")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")[-MOST_CHARACTERS:]
    except UnicodeDecodeError as error:
        raise UserError(f"standard input is not written in utf-8: byte {error.start + 1:,} does not decode") from None
