"""Texts that a language model goes on with: what it sees of a prompt, which tokens it chooses, how they become text."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.checkpoint import load
from dist_bp.config import stored_config
from dist_bp.data.text.library import LibraryTokens
from dist_bp.data.text.pieces import Pieces
from dist_bp.data.text.tokenizer import ListedTokens
from dist_bp.errors import DataError, UserError
from dist_bp.serve import SavedModel
from dist_bp.serve.language import Sampling
from dist_bp.signals import Ragged
from dist_bp.types import Array
from tests.commands import run_here
from tests.serve.samples import configuration, save

TEXT = "".join(f"line {row}: naïve 🐍 text\n" for row in range(60))
CONTEXT = 12
EMBEDDING = {"type": "embedding", "size": 8}
BLOCK = {"type": "transformer_block", "heads": 2, "causal": True}
NETWORKS: dict[str, list[dict[str, Any]]] = {
    "learned": [EMBEDDING, {"type": "positions", "form": "learned"}, BLOCK],
    "rotary": [EMBEDDING, BLOCK | {"positions": "rotary"}],
    "lstm": [EMBEDDING, {"type": "lstm", "units": 8, "layers": 2}],
    "both ways": [EMBEDDING, {"type": "rnn", "units": 4, "bidirectional": True}],
}


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def saved_at(network: str = "learned", by: Any = "characters") -> Path:
    """A language model with random parameters: what they make of a text is as good as another to compare with."""
    Path("t.txt").write_text(TEXT, encoding="utf-8")
    data = {
        "source": {"type": "text", "path": "t.txt", "context": CONTEXT},
        "preprocess": [{"type": "tokenize", "by": by}],
        "split": {"validation": 0, "test": 0},
        "prepared": "prepared",
    }
    tokens = ListedTokens.fit([TEXT], by, None, 1, False, "NFC").tokens
    layers = [*NETWORKS[network], {"type": "layer_norm"}, {"type": "dense", "units": len(tokens)}]
    return save(configuration(Path(), {}, 1, data=data, model={"layers": layers}))


def language_model(network: str = "learned", by: Any = "characters") -> SavedModel:
    return SavedModel.load(saved_at(network, by))


def with_parameters(value: float, *names: str) -> SavedModel:
    """One whose parameters of these names have this value alone."""
    checkpoint = load(saved_at())
    changed = {name: np.full_like(checkpoint.parameters[name], value) for name in names}
    config = stored_config(checkpoint.config, "config.yaml")
    return SavedModel(config, replace(checkpoint, parameters={**checkpoint.parameters, **changed}))


def scores_after(path: Path, tokens: Sequence[int]) -> Array:
    """What the model at a path makes of the last tokens, where it keeps nothing of those before."""
    saved, checkpoint = SavedModel.load(path), load(path)
    layout, seen = saved.model.layout, np.array([tokens[-CONTEXT:]])
    parameters = layout.views(layout.flat(checkpoint.parameters, saved.model.dtype))
    context = saved.model.context(0)
    context.begin(training=False)
    y = saved.model.forward(Ragged(seen, np.array([seen.shape[1]])), parameters, context)[0]
    scores: Array = y.values[0, -1].astype(np.float64)
    return scores


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("prompt", ["n", "line 7: naïve"])
def test_each_token_is_what_the_whole_context_says(network: str, prompt: str) -> None:
    path = saved_at(network)
    saved = SavedModel.load(path)
    tokenizer = saved.pipeline.tokenizer
    assert tokenizer
    tokens = tokenizer.encode([prompt]).values.tolist()
    begun = len(tokens)
    for _ in range(2 * CONTEXT):
        tokens.append(1 + int(scores_after(path, tokens)[1:].argmax()))
    assert saved.generate(prompt, 2 * CONTEXT, temperature=0) == tokenizer.decode(tokens[begun:])


def test_a_seed_is_a_text_and_probabilities_are_the_models() -> None:
    path = saved_at()
    saved = SavedModel.load(path)
    first = saved.generate("line", 40, seed=1)
    assert len(first) == 40
    assert saved.generate("line", 40, seed=1) == first
    assert saved.generate("line", 40, seed=2) != first
    language = saved.language
    chosen = next(language.generate(language.prompt("line"), Sampling(1, temperature=0)))
    odds = np.exp(scores_after(path, language.prompt("line").tokens))
    assert chosen.probability == pytest.approx(odds[chosen.token] / odds.sum(), rel=1e-5)
    assert chosen.name == chosen.text


def test_tokens_are_drawn_by_their_scores() -> None:
    draw, scores = np.random.default_rng(0), np.array([1.0, 3.0, -np.inf, 2.0, 0.0])
    for temperature, top_k, kept in ((1.0, None, [0, 1, 3, 4]), (0.5, 2, [1, 3]), (2.0, 9, [0, 1, 3, 4])):
        sampling = Sampling(temperature=temperature, top_k=top_k)
        found = np.bincount([sampling.choose(scores, draw) for _ in range(8000)], minlength=5) / 8000
        expected = np.zeros(5)
        expected[kept] = np.exp(scores[kept] / temperature)
        np.testing.assert_allclose(found, expected / expected.sum(), atol=0.02)
        assert not found[[place for place in range(5) if place not in kept]].any()
    assert {Sampling(temperature=1e-320).choose(scores, draw) for _ in range(9)} == {1}


def test_the_unknown_token_is_never_chosen() -> None:
    saved = with_parameters(0.0, "4.weight", "4.bias")  # all are equally likely
    assert "<unk>" not in saved.generate("line", 400)


def test_scores_that_are_not_finite_are_told() -> None:
    saved = with_parameters(np.nan, "0.table")
    with pytest.raises(DataError, match="scores are not finite"):
        saved.generate("line")


def test_all_that_is_wrong_with_the_sampling_is_told() -> None:
    with pytest.raises(UserError) as found:
        Sampling(0, float("nan"), 0, -1)
    assert [problem.partition(" ")[0] for problem in found.value.problems] == ["tokens", "temperature", "top_k", "seed"]


@pytest.mark.parametrize("text", ["naïve 🐍🐍 Ünïcode 漢字", "a\ufffdb", "🐍"])
def test_text_in_pieces_is_the_whole_and_never_a_part_of_a_character(text: str) -> None:
    tokenizer = LibraryTokens.fit([TEXT], "bpe", 270, 1, False, None)
    tokens = tokenizer.encode([f"🐍{text}."]).values.tolist()
    before = len(tokenizer.encode(["🐍"]).values)
    pieces = Pieces(tokenizer, tokens[:before])
    found = [pieces(token) for token in tokens[before:]]
    assert "".join(found) == f"{text}."
    assert all("\ufffd" not in piece for piece in found) or "\ufffd" in text
    assert "" in found


def test_bytes_that_are_no_character_hold_nothing_up() -> None:
    tokenizer = LibraryTokens.fit([TEXT], "bpe", 270, 1, False, None)
    start = tokenizer.encode(["🐍"]).values.tolist()[0]
    alone = tokenizer.encode(["漢"]).values.tolist()[0]
    pieces = Pieces(tokenizer, [])
    found = "".join(pieces(token) for token in [alone] * 9 + [start] + tokenizer.encode(["ok"]).values.tolist())
    assert found == "\ufffd" * 10 + "ok"


@pytest.mark.parametrize("by", ["words", "wordpiece"])
def test_words_in_pieces_are_joined_as_in_the_whole(by: Any) -> None:
    tokenizer = (
        ListedTokens.fit([TEXT], "words", None, 1, False, None)
        if by == "words"
        else LibraryTokens.fit([TEXT], "wordpiece", 60, 1, False, None)
    )
    tokens = tokenizer.encode(["line 12: naïve text line 3"]).values.tolist()
    pieces = Pieces(tokenizer, tokens[:2])
    assert tokenizer.decode(tokens[:2]) + "".join(map(pieces, tokens[2:])) == tokenizer.decode(tokens)


def test_a_prompt_that_ends_in_a_blank_has_no_second_one() -> None:
    saved = language_model(by="words")
    assert saved.generate("line", 5, seed=2) == " " + saved.generate("line ", 5, seed=2)
    assert saved.generate("line", 5, seed=2).split() == saved.generate("line\n", 5, seed=2).split()
    of_characters = language_model()
    assert len(of_characters.generate("line ", 9)) == 9


def test_prompts_that_are_not_as_one_would_have_them() -> None:
    language = language_model().language
    known = language.prompt("line 7")
    assert (known.notes, len(known.tokens)) == ([], 6)
    strange = language.prompt("Line Z7 Z\udcff")
    assert strange.notes == [
        "the prompt holds bytes that are no text in UTF-8: ? stands for each",
        "the model does not know 4 of the prompt's 10 tokens ('L', 'Z', '?'): training has seen no such, and they tell "
        "it nothing",
    ]
    long = language.prompt("line 7: naïve text")
    assert long.notes == ["the prompt has 18 tokens: the model sees the last 12"]
    assert (
        long.tokens == language.prompt("naïve text"[-CONTEXT:].rjust(CONTEXT)[-CONTEXT:]).tokens
        or len(long.tokens) == 12
    )
    with pytest.raises(DataError, match="the prompt is empty"):
        language.prompt("")
    with pytest.raises(DataError, match="the prompt has no token"):
        language_model(by="words").language.prompt(" \n")


def test_the_command_goes_on_with_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = language_model().generate("line ë\n", 30, 0.5, 4, 3)
    options = ("--tokens", "30", "--temperature", "0.5", "--top-k", "4", "--seed", "3")
    done = run_here("generate", "run", "--prompt", "line ë\n", *options)
    assert (done.returncode, done.stdout) == (0, f"line ë\n{expected}\n")
    assert done.stderr.startswith("note: the model does not know 1 of the prompt's 7 tokens ('ë')")
    Path("prompt.txt").write_bytes("\ufeffline ë\r\n".encode())
    assert run_here("generate", "run", "--input", "prompt.txt", *options).stdout == done.stdout
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO("line ë\r\n".encode())))
    told = run_here("generate", "run", "--input", "-", *options, "--json")
    assert told.stderr.endswith(done.stdout)
    result = json.loads(told.stdout)
    assert (result["prompt"], result["text"], len(result["tokens"])) == ("line ë\n", expected, 30)
    assert "".join(one["text"] for one in result["tokens"]) == expected
    assert all(0 < one["probability"] <= 1 for one in result["tokens"])


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_given_no_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    language_model()
    plain = run_here("generate", "run", "--prompt", "line\x1b[2J\x9b\t\n", "--tokens", "1").stdout
    assert plain.startswith("line\x1b[2J\x9b\t\n")
    monkeypatch.setattr("tests.commands.StringIO", Terminal)
    shown = run_here("generate", "run", "--prompt", "line\x1b[2J\x9b\t\n", "--tokens", "1").stdout
    assert shown == plain.replace("\x1b", "\ufffd").replace("\x9b", "\ufffd")


def test_mistakes_of_the_command_are_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    language_model()
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"line \xff")))
    for arguments, reason in (
        ((), "there is nothing to go on with: give --prompt TEXT, or a file with --input"),
        (("--prompt", ""), "the prompt is empty: give the model something to go on from"),
        (("--prompt", "a", "--input", "b"), "both --prompt and --input b are given: give one"),
        (("--input", "no.txt"), "data file 'no.txt' not found"),
        (("--input", "-"), "standard input is not written in utf-8: byte 6 does not decode"),
        (("--prompt", "a", "--top-k", "0"), "top_k must be 1 or more, got 0"),
    ):
        done = run_here("generate", "run", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {reason}")
        assert done.stderr.count("\n") == 1
    save(configuration(Path(), {"type": "sklearn", "name": "iris"}, 3), step=2)
    done = run_here("generate", "run", "--prompt", "a")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the model is no language model" in done.stderr
