"""Tokens of texts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.data import Pipeline, Prepared, Split
from dist_bp.data.preprocess.tokenize import Tokenize
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.lines import LinesSource
from dist_bp.data.sources.text import TextSource
from dist_bp.data.text.library import LibraryTokens
from dist_bp.data.text.tokenizer import ListedTokens
from dist_bp.data.unseen import Unseen
from dist_bp.errors import DataError, OptionError
from tests.data.texts import LINES, decoded, make, problems, written
from tests.data.tokenizers import letter

pytestmark = pytest.mark.usefixtures("workplace")


def test_characters_and_words() -> None:
    characters = ListedTokens.fit(["abca", "b"], "characters", None, 1, False, None)
    assert characters.listed == ("a", "b", "c")
    assert characters.encode(["cab!"]).values.tolist() == [3, 1, 2, 0]
    words = ListedTokens.fit(["It's it, IT and It"], "words", 4, 1, True, "NFC")
    assert words.listed == ("it", "'", ",")
    assert words.decode(words.encode(["It's IT and"]).values) == "it'<unk> it <unk>"
    composed = ListedTokens.fit(["e\u0301"], "characters", None, 1, False, "NFC")
    assert composed.listed == ("\u00e9",)
    rare = ListedTokens.fit(["a a b"], "words", None, 2, False, None)
    assert rare.listed == ("a",)


@pytest.mark.parametrize("by", ["characters", "words", "bpe", "wordpiece"])
def test_a_saved_tokenizer_makes_the_same_tokens(by: Any) -> None:
    path = written("\n".join(LINES))
    prepared = make(LinesSource(path), Tokenize(by=by, vocabulary=300))
    again = Pipeline.from_dict(prepared.pipeline.to_dict())
    texts = ["see you 3", "Straße, 漢字!", "", "\ud800 x"]
    first, second = prepared.pipeline.transform(texts), again.transform(texts)
    assert np.array_equal(first.values, second.values)
    assert np.array_equal(first.offsets, second.offsets)
    spec = prepared.schema.inputs
    assert first.values.max() < spec.count
    assert np.diff(first.offsets).min() == 1
    text = again.transforms[0].tokenizer.decode(first.values[: first.offsets[1]])  # type: ignore[attr-defined]
    assert text == "see you 3"


def test_words_stand_as_they_are_mostly_written() -> None:
    text = "Don't go, she said (twice): well-known, at $5.99 or 10%! Why? a: b; [c]"
    words = ListedTokens.fit([text], "words", None, 1, False, None)
    assert words.decode(words.encode([text]).values) == text.replace("5.99", "5. 99")
    assert words.decode([]) == ""


def test_the_list_of_tokens_is_made_once() -> None:
    tokens = ListedTokens("words", ("a", "b"))
    assert tokens.tokens is tokens.tokens
    assert tokens == ListedTokens("words", ("a", "b"))


def test_tokens_of_training_alone_are_learnt() -> None:
    written("\n".join(LINES))
    written("ham brandnew words\n" * 3, "test.txt")
    prepared = make(LinesSource("t.txt", "test.txt"), Tokenize(), split=Split(0.1, 0.0))
    assert decoded(prepared, "test") == ["<unk> <unk>"] * 3
    assert (
        "text: 3 texts of the test split, 2.0 tokens on average, 2 at most; 6 unknown tokens (100 %)" in prepared.notes
    )


@pytest.mark.parametrize(("by", "most"), [("wordpiece", 12), ("wordpiece", 40), ("bpe", 257)])
def test_vocabulary_is_the_most_tokens(by: Any, most: int) -> None:
    path = written("\n".join(LINES))
    prepared = make(LinesSource(path), Tokenize(by=by, vocabulary=most))
    step: Any = prepared.pipeline.transforms[0]
    tokens = step.tokenizer.tokens
    assert 3 <= len(tokens) <= most
    unknown = step.tokenizer.unknown in prepared.split("train").inputs.values
    assert step.known == unknown == (most < 40)
    if most == 12:
        assert {"e", "##e", "##i"} < {*tokens}  # the most frequent


def test_the_fewest_parts_of_words_are_three() -> None:
    step = Tokenize(by="wordpiece", vocabulary=3).fitted(LINES, ("text",), "text", "")
    assert len(step.tokenizer.tokens) == 3
    with pytest.raises(OptionError, match="must be 3 or more for wordpiece"):
        Tokenize(by="wordpiece", vocabulary=2)


@pytest.mark.parametrize("most", [40, 200])
def test_wordpiece_is_the_same_in_every_process(most: int) -> None:
    texts = [" ".join(f"{a}{b}{c}{b}" for a in "kvzbdm" for b in "aeiou" for c in "rstlnp")]
    fits = [LibraryTokens.fit(texts, "wordpiece", most, 2, False, None).tokens for _ in range(4)]
    assert len({*fits}) == 1
    tokens = fits[0]
    continuing = [token for token in tokens if len(token) == 3 and token.startswith("##")]
    characters = [token for token in tokens if len(token) == 1]
    assert tokens[: 1 + len(characters) + len(continuing)] == ("<unk>", *sorted(characters), *sorted(continuing))
    assert len(tokens) <= most
    assert "##a" in continuing


def test_what_is_cut_unknown_or_empty_is_told() -> None:
    tokens = Tokenize(max_length=2).fitted(iter(["a b", "c"]), ("v",), "v", "")
    made, counts = tokens.encode(["a b c a", "", "d", "c b"])
    assert made.values.tolist() == [1, 2, 0, 0, 3, 2]
    assert made.offsets.tolist() == [0, 2, 3, 4, 6]
    assert counts.parts == [
        "1 unknown token (20 %)",
        "1 cut (25 %), which lost 28.6 % of all tokens",
        "1 without a token, taken for one unknown token each",
    ]
    told = Unseen()
    told.take_texts("v", counts)
    assert told.lines()[0].startswith("v: 4 texts; 1 unknown token (20 %)")


def test_the_network_knows_how_long_cut_texts_are() -> None:
    prepared = make(LinesSource(written("\n".join(LINES))), Tokenize(max_length=3))
    assert prepared.schema.inputs.longest == 3  # type: ignore[union-attr]


def test_unknown_tokens_are_learnt_where_training_has_them() -> None:
    path = written("\n".join(LINES))
    assert make(LinesSource(path), Tokenize(vocabulary=4)).schema.inputs.unseen is None  # type: ignore[union-attr]
    assert make(LinesSource(path), Tokenize()).schema.inputs.unseen == 0  # type: ignore[union-attr]
    Path("t.csv").write_text("label,text\n" + "\n".join(f"{row % 2},good movie {row % 3}" for row in range(30)))
    source = CsvSource("t.csv", "label", text=["text"])
    assert make(source, Tokenize(min_count=2)).schema.inputs.unseen == 0  # type: ignore[union-attr]
    Path("t.csv").write_text("label,text\n" + "\n".join(f"{row % 2},{'good' * (row % 3)}" for row in range(30)))
    for step in (Tokenize(), Tokenize(by="bpe")):
        prepared = make(source, step)
        assert prepared.schema.inputs.unseen is None  # type: ignore[union-attr]
        assert Prepared.open(prepared.directory).pipeline.inputs == prepared.schema.inputs


@pytest.mark.parametrize(("by", "least"), [("characters", 2), ("words", 2), ("wordpiece", 3), ("bpe", 257)])
def test_a_vocabulary_has_more_than_the_unknown_token(by: Any, least: int) -> None:
    with pytest.raises(OptionError, match=f"vocabulary: must be {least} or more for {by}"):
        Tokenize(by=by, vocabulary=least - 1)


def test_unknown_tokens_of_a_long_text_are_learnt_where_training_has_them() -> None:
    source = TextSource(written("ab" * 50 + "c" + "x" * 50), context=8)
    split = Split(0.3, 0.0)
    for step, unseen in ((Tokenize(by="characters"), 0), (Tokenize(by="characters", min_count=10), None)):
        assert make(source, step, split=split).schema.inputs.unseen == unseen  # type: ignore[union-attr]


def test_a_given_tokenizer_is_taken_as_it_is() -> None:
    from tokenizers import Tokenizer

    path = written("\n".join(LINES))
    fitted = make(LinesSource(path), Tokenize(by="bpe", vocabulary=300)).pipeline.transforms[0]
    tokens = fitted.encode(["see you 3"])[0].values.tolist()  # type: ignore[attr-defined]
    state = fitted.tokenizer.to_dict()  # type: ignore[attr-defined]
    library = Tokenizer.from_str(json.dumps(state["tokenizer"]))
    library.enable_truncation(1)
    library.enable_padding(length=50)
    library.save("tokenizer.json")
    prepared = make(LinesSource(path), Tokenize(file="tokenizer.json"))
    assert prepared.schema.inputs.count == len(fitted.tokenizer.tokens)  # type: ignore[attr-defined, union-attr]
    assert prepared.pipeline.transform(["see you 3"]).values.tolist() == tokens
    assert prepared.pipeline.libraries == ["tokenizers"]
    with pytest.raises(OptionError, match="has no effect on the tokenizer of a file"):
        Tokenize(file="tokenizer.json", lowercase=True)
    written("{}", "tokenizer.json")
    assert problems(LinesSource(path), Tokenize(file="tokenizer.json"))[0].startswith(
        "preprocess step tokenize: the tokenizer 'tokenizer.json' cannot be used"
    )


def bpe(**options: Any) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(["good bad"] * 3, trainers.BpeTrainer(vocab_size=20, show_progress=False, **options))
    return made


def with_added(library: Any, *tokens: str) -> Any:
    library.add_special_tokens([*tokens])
    return library


def other(kind: str, *arguments: Any) -> Any:
    from tokenizers import Tokenizer, models

    return Tokenizer(getattr(models, kind)(*arguments))


@pytest.mark.parametrize(
    "library",
    [
        bpe(),
        bpe(special_tokens=["[UNK]"]),
        other("WordLevel", {"good": 0, "bad": 1}),
        other("WordPiece", {"good": 0, "bad": 1}),
        with_added(bpe(), "<a>", "<b>"),
        with_added(other("WordLevel", {"good": 0, "bad": 1, "[UNK]": 2}), "<a>", "<b>"),
        with_added(other("WordPiece", {"good": 0, "bad": 1}), "<a>", "[UNK]", "<b>"),
        other("Unigram", [(one, -1.0) for one in "godba"]),
    ],
    ids=["bpe", "bpe with a token", "words", "wordpiece", "bpe +", "words +", "wordpiece +", "unigram"],
)
def test_what_a_tokenizer_does_not_know_is_an_unknown_token(library: Any) -> None:
    library.save("tokenizer.json")
    path = written("\n".join(f"{row % 2} {'good' if row % 2 else 'bad'}" for row in range(18)) + "\n0 ü\n1 ü\n")
    step = Tokenize(file="tokenizer.json")
    tokens = make(LinesSource(path), step).pipeline.transforms[0]
    made, counts = tokens.encode(["good", "ü"])  # type: ignore[attr-defined]
    assert counts.unknown == 1
    tokenizer = tokens.tokenizer  # type: ignore[attr-defined]
    assert made.values[-1] == tokenizer.unknown < len(tokenizer.tokens)
    for name, number in library.get_vocab(with_added_tokens=True).items():
        assert tokenizer.tokens[number] == name
    again = Pipeline.from_dict(json.loads(json.dumps(make(LinesSource(path), step).pipeline.to_dict())))
    assert again.tokenizer
    assert again.tokenizer.tokens == tokenizer.tokens
    assert again.tokenizer.encode(["good", "ü"]).values.tolist() == made.values.tolist()
    assert tokenizer.decode(made.values[:-1].tolist()).replace(" ", "") == "good"


def test_a_saved_tokenizer_that_is_none_is_refused() -> None:
    state = make(LinesSource(written("\n".join(LINES))), Tokenize()).pipeline.to_dict()
    for broken in ({"kind": "x"}, {"listed": ["a", "a"]}, {"listed": [5]}, {"kind": "library", "tokenizer": {"a": 1}}):
        step = state["steps"][0]
        changed = {**state, "steps": [{**step, "tokenizer": {**step["tokenizer"], **broken}}]}
        with pytest.raises(DataError, match="the pipeline is not what this version writes"):
            Pipeline.from_dict(changed)


@pytest.mark.parametrize("lines", [["0 1 2", "3 4"] * 20, [""] * 40])
def test_a_tokenizer_that_knows_nothing_of_the_training_texts_is_refused(lines: list[str]) -> None:
    table = "".join(f'{row % 2},"{line}"\n' for row, line in enumerate(lines))
    source = CsvSource(written(f"label,note\n{table}", "t.csv"), "label", text=["note"])
    assert problems(source, Tokenize(file=letter("tokenizer.json"))) == [
        "the tokenizer knows none of the tokens of the training split's texts (note), so there is nothing to learn "
        "from: take another tokenizer (file) in the step tokenize, or one that learns more tokens or sees more of "
        "each text (vocabulary, min_count, max_length)"
    ]
