"""What of a tokenizer.json is taken: the parts that tokenizers are commonly made of, through which no text grows much.

A few parts that each make several characters of one would make of a word more than any memory holds.
"""

import base64
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

LARGEST_GROWTH = 100
"""What one character may become, with all parts one after another; SentencePiece has a rule that makes 18 of one."""
MOST_STEPS = 64
"""Of one kind, one after another."""
LONGEST_AFFIX = 16
"""Characters that mark the beginning or the end of a word."""
LONGEST_WORD = 1000
"""Characters of a word that WordPiece looks for parts in."""

Step = Mapping[str, Any]
Growth = Callable[[Step], float]
"""How many characters a step makes of one, at most, of those texts that the step before has made."""


def _same(step: Step) -> float:
    """Also for Unicode forms and small letters: doing it again changes nothing."""
    return 1


def _replaced(step: Step) -> float:
    content, pattern = len(_text(step, "content")), step["pattern"]
    if "Regex" in pattern:  # it may fit between any two characters
        return 1 + content
    return max(1, content / len(text)) if (text := _text(pattern, "String")) else 1 + content


def _prepended(step: Step) -> float:
    return 1 + len(_text(step, "prepend"))


def _bytes(step: Step) -> float:
    return 4 + bool(step.get("add_prefix_space", True))


def _charsmap(step: Step) -> float:
    """Of SentencePiece: the size of a trie, the trie, and what its leaves point into: texts that end with a zero."""
    data = base64.b64decode(_text(step, "precompiled_charsmap"), validate=True)
    texts = data[4 + int.from_bytes(data[:4], "little") :]
    return max(1, *(len(text.decode()) for text in texts.split(b"\0")))


def _text(step: Step, name: str) -> str:
    found = step[name]
    if not isinstance(found, str):
        raise TypeError(name)
    return found


NORMALIZERS: dict[str, Growth] = {
    **dict.fromkeys(("NFC", "NFD", "NFKC", "NFKD", "Nmt", "Lowercase", "Strip", "StripAccents"), _same),
    "BertNormalizer": lambda _: 3,
    "ByteLevel": _bytes,
    "Precompiled": _charsmap,
    "Prepend": _prepended,
    "Replace": _replaced,
}
PRE_TOKENIZERS: dict[str, Growth] = {
    **dict.fromkeys(("BertPreTokenizer", "CharDelimiterSplit", "Digits", "Punctuation", "Split"), _same),
    **dict.fromkeys(("UnicodeScripts", "Whitespace", "WhitespaceSplit"), _same),
    "ByteLevel": _bytes,
    "Metaspace": lambda _: 2,
}
DECODERS: dict[str, Growth] = {
    **dict.fromkeys(("ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Strip"), _same),
    "BPEDecoder": lambda step: 1 if step.get("suffix") else 2,
    "Replace": _replaced,
    "WordPiece": lambda _: 2,
}
MODELS = ("BPE", "Unigram", "WordLevel", "WordPiece")


def accepted(tokenizer: Any) -> dict[str, Any]:
    """A tokenizer in JSON without what is of no use here: how texts are cut and filled up, and what is put around them.

    Raises ValueError, which tells all that is not taken.
    """
    if not isinstance(tokenizer, dict) or not isinstance(tokenizer.get("model"), dict):
        raise ValueError("it has no model")
    before, problems = _steps(tokenizer, "normalizer", "normalizers", NORMALIZERS)
    cut, more = _steps(tokenizer, "pre_tokenizer", "pretokenizers", PRE_TOKENIZERS)
    after, others = _steps(tokenizer, "decoder", "decoders", DECODERS)
    for what, growth in (("before it is cut into tokens", before * cut), ("when tokens become text", after)):
        if growth > LARGEST_GROWTH:
            problems.append(
                f"of one character it can make {growth:,.0f} {what}, which is more than the {LARGEST_GROWTH} taken"
            )
    problems += [*more, *others, *_problems_of_model(tokenizer["model"])]
    if problems:
        raise ValueError("; ".join(problems))
    return {**tokenizer, "truncation": None, "padding": None, "post_processor": None}


def _steps(tokenizer: Step, part: str, several: str, known: Mapping[str, Growth]) -> tuple[float, list[str]]:
    """What all steps of a part make of one character, and what is wrong with them."""
    steps = [*_flat(tokenizer.get(part), several)]
    if len(steps) > MOST_STEPS:
        return 1, [f"its {part} has {len(steps):,} steps, more than the {MOST_STEPS} taken"]
    growths, problems = [], []
    for step in steps:
        name = step.get("type") if isinstance(step, dict) else None
        if not isinstance(name, str) or name not in known:
            problems.append(f"its {part} {name!r} is none of those taken: {', '.join(sorted(known))}")
            continue
        try:
            growths.append(known[name](step))
        except (LookupError, TypeError, ValueError):
            problems.append(f"its {part} {name} lacks what it needs")
    return math.prod(growths), problems


def _flat(step: Any, several: str) -> Iterator[Any]:
    if isinstance(step, dict) and step.get("type") == "Sequence" and isinstance(step.get(several), list):
        for one in step[several]:
            yield from _flat(one, several)
    elif step is not None:
        yield step


def _problems_of_model(model: Step) -> Iterator[str]:
    if model.get("type", MODELS[0]) not in MODELS:
        yield f"its model {model['type']!r} is none of those taken: {', '.join(MODELS)}"
    if model.get("dropout"):
        yield "its model leaves out merges at random: set dropout to null"
    if isinstance(longest := model.get("max_input_chars_per_word"), int) and longest > LONGEST_WORD:
        yield f"max_input_chars_per_word is {longest:,}, more than the {LONGEST_WORD:,} taken"
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if isinstance(affix := model.get(name), str) and len(affix) > LONGEST_AFFIX:
            yield f"{name} has {len(affix):,} characters, more than the {LONGEST_AFFIX} taken"
