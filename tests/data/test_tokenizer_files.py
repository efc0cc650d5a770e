"""What a tokenizer.json from elsewhere may hold."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from dist_bp.data.text.library import LibraryTokens, read_tokenizer
from dist_bp.data.text.state import tokenizer_from_json
from dist_bp.errors import DataError

VOCABULARY = {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "▁": 4, "▁a": 5, "Ġ": 6, "##b": 7}
GROWING = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 16}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def replaced(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def normalizers(*steps: Any) -> dict[str, Any]:
    return {"normalizer": {"type": "Sequence", "normalizers": [*steps]}}


def pre_tokenizers(*steps: Any) -> dict[str, Any]:
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [*steps]}}


def decoders(*steps: Any) -> dict[str, Any]:
    return {"decoder": {"type": "Sequence", "decoders": [*steps]}}


def tokenizer(**parts: Any) -> dict[str, Any]:
    model = {"type": "WordPiece", "vocab": VOCABULARY, "unk_token": "<unk>", "continuing_subword_prefix": "##"}
    nothing = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder"))
    options = model | {"max_input_chars_per_word": 100} | parts.pop("model", {})
    return {"version": "1.0", "added_tokens": [], **nothing, **parts, "model": options}


def charsmap(text: str) -> dict[str, Any]:
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(bytes(4) + text.encode()).decode()}


REFUSED = {
    "nine that each make sixteen of one": (normalizers(*[GROWING] * 9), r"of one character it can make 68,719,476,736"),
    "one within the other": (normalizers(GROWING, normalizers(GROWING)["normalizer"]), "it can make 256 before"),
    "an empty text replaced": (normalizers(*[replaced({"String": ""}, "a")] * 9), "it can make 512 before"),
    "a pattern that fits anywhere": (normalizers(*[replaced({"Regex": "(?=a)"}, "a")] * 9), "it can make 512 before"),
    "bytes of bytes": (normalizers(*[{"type": "ByteLevel"}] * 9), "it can make 1,953,125 before"),
    "what is put before": (normalizers({"type": "Prepend", "prepend": "a" * 200}), "it can make 201 before"),
    "a map that makes many": (normalizers(charsmap("a\0" + "b" * 101 + "\0")), "it can make 101 before"),
    "no map": (normalizers({"type": "Precompiled", "precompiled_charsmap": "!"}), "normalizer Precompiled lacks what"),
    "cut into more": (pre_tokenizers(*[METASPACE, {**METASPACE, "replacement": "b"}] * 4), "it can make 256 before"),
    "a little in both": (normalizers(GROWING) | pre_tokenizers(*[BYTES] * 2), "it can make 256 before"),
    "text of tokens": (decoders(*[GROWING] * 9), r"it can make 68,719,476,736 when tokens become text"),
    "a blank between any two": (decoders(*[{"type": "BPEDecoder", "suffix": ""}] * 9), "it can make 512 when tokens"),
    "too many steps": (normalizers(*[{"type": "NFC"}] * 65), "its normalizer has 65 steps, more than the 64 taken"),
    "an unknown normalizer": (normalizers({"type": "X"}), "its normalizer 'X' is none of those taken: BertNormalizer,"),
    "no type": ({"pre_tokenizer": {}}, "its pre_tokenizer None is none of those taken"),
    "an unknown decoder": ({"decoder": {"type": ["CTC"]}}, r"its decoder \['CTC'\] is none of those taken"),
    "half a replacement": (normalizers({"type": "Replace", "content": "a"}), "its normalizer Replace lacks what"),
    "a number": ({"normalizer": {**GROWING, "content": 5}}, "its normalizer Replace lacks what it needs"),
    "an unknown model": ({"model": {"type": "X"}}, "its model 'X' is none of those taken: BPE, Unigram"),
    "chance": ({"model": {"dropout": 0.5}}, "its model leaves out merges at random: set dropout to null"),
    "words of any length": ({"model": {"max_input_chars_per_word": 10**9}}, "max_input_chars_per_word is 1,000,"),
    "a long prefix": ({"model": {"continuing_subword_prefix": "#" * 99}}, "continuing_subword_prefix has 99 char"),
    "a large number": (
        {"model": {"vocab": VOCABULARY | {"c": 2**24 - 1}}},
        "one of its 9 tokens has the number 16,777,215, more than the 1,018 taken",
    ),
    "several at once": (normalizers({"type": "X"}) | {"decoder": {"type": "Y"}}, "'X' is none .*; its decoder 'Y'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_fill_the_memory_is_refused(case: str, tmp_path: Path) -> None:
    parts, reason = REFUSED[case]
    value = tokenizer(**parts)
    (tmp_path / "tokenizer.json").write_text(json.dumps(value))
    with pytest.raises(ValueError, match=reason) as caught:
        read_tokenizer(str(tmp_path / "tokenizer.json"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=reason):
        tokenizer_from_json({"kind": "library", "tokenizer": value})


TAKEN = {
    "as Llama": normalizers({"type": "Prepend", "prepend": "▁"}, replaced({"String": " "}, "▁"))
    | decoders(replaced({"String": "▁"}, " "), {"type": "ByteFallback"}, {"type": "Fuse"},
               {"type": "Strip", "content": " ", "start": 1, "stop": 0}),
    "as ALBERT": normalizers(
        replaced({"String": "``"}, '"'), {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
        *[replaced({"Regex": " {2,}"}, " "), {"type": "NFKD"}] * 2
    ) | pre_tokenizers({"type": "WhitespaceSplit"}, METASPACE) | {"decoder": METASPACE},
    "as GPT-2": {"pre_tokenizer": BYTES, "decoder": BYTES, "post_processor": BYTES},
    "as BERT": {
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    },
    "as Llama 3": pre_tokenizers(
        {"type": "Split", "pattern": {"Regex": r"\p{L}+|\s+"}, "behavior": "Isolated", "invert": False},
        {"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Isolated"}, BYTES
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_what_tokenizers_are_made_of_is_taken(case: str) -> None:
    from tokenizers import Tokenizer

    value = tokenizer(**TAKEN[case])
    found, library = LibraryTokens(value), Tokenizer.from_str(json.dumps(value))
    texts = ["ab a  b", "a``b Ab", "中 ab", ""]
    rows = found.encode(texts)
    wanted = [library.encode(text, add_special_tokens=False).ids for text in texts]
    parts = zip(rows.offsets, rows.offsets[1:], strict=False)
    assert [rows.values[start:end].tolist() for start, end in parts] == wanted
    assert found.decode([1, 7, 5]) == library.decode([1, 7, 5])


def test_what_is_put_around_a_text_is_left_out() -> None:
    """What a template repeats would else be there without special tokens, too."""
    here, there = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    template = {"type": "TemplateProcessing", "single": [here] * 3, "pair": [here, there], "special_tokens": {}}
    found = LibraryTokens(tokenizer(post_processor=template))
    assert found.encode(["ab"]).values.tolist() == [3]


def test_a_failure_at_a_text_is_told() -> None:
    """A pattern that the library gives up on."""
    split = {"type": "Split", "pattern": {"Regex": "(a|aa|a)+$"}, "behavior": "Isolated", "invert": False}
    with pytest.raises(DataError, match=r"^the tokenizer fails: .*retry-limit"):
        LibraryTokens(tokenizer(pre_tokenizer=split)).encode(["a" * 60 + "b"])
