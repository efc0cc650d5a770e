"""Text: files of it, tokens, and models that take it."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dist_bp.data import Pipeline, Prepared, Split, prepare
from dist_bp.data.files import DigestCache
from dist_bp.data.preprocess.bag_of_words import BagOfWords
from dist_bp.data.preprocess.categories import CategoriesStep
from dist_bp.data.preprocess.one_hot import OneHot
from dist_bp.data.preprocess.standardize import Standardize
from dist_bp.data.preprocess.tokenize import Tokenize
from dist_bp.data.sources.base import Dataset, Source
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.json_lines import JsonLinesSource
from dist_bp.data.sources.lines import LinesSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.data.sources.text import TextSource
from dist_bp.data.text.library import LibraryTokens
from dist_bp.data.text.reading import end_of_text, read_text, text_blocks, text_lines
from dist_bp.data.text.tokenizer import ListedTokens
from dist_bp.data.unseen import Unseen
from dist_bp.errors import DataError, OptionError
from dist_bp.signals import Field
from tests.data.tokenizers import letter

LINES = [
    f"{'spam' if row % 3 == 0 else 'ham'} {'win a prize' if row % 3 == 0 else 'see you'} {row}" for row in range(30)
]

SPLIT = Split(0.2, 0.1)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "t.txt", encoding: str = "utf-8") -> str:
    Path(name).write_bytes(text.encode(encoding))
    return name


def load(source: Source) -> Dataset:
    return source.open(DigestCache(Path.cwd())).load()


def make(source: Any, *steps: Any, split: Split = SPLIT) -> Prepared:
    return prepare(source, split, steps, seed=3, dtype="float32", directory="prepared")


def problems(source: Any, *steps: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        make(source, *steps)
    return caught.value.problems


def decoded(prepared: Prepared, split: str, name: str | None = None) -> list[str]:
    """The texts of a split as its tokens tell them."""
    tokens = prepared.pipeline.transforms[-1].tokenizer  # type: ignore[attr-defined]
    stored = prepared.split(split).inputs if name is None else prepared.split(split).inputs[name]
    return [tokens.decode(stored.values[a:b]) for a, b in zip(stored.offsets, stored.offsets[1:], strict=False)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_those_that_were_written(encoding: str, end: str) -> None:
    path = written(end.join(["é\u0085one", "", "two\x0b", "three"]), encoding=encoding)
    wanted = "utf-8" if encoding == "utf-8-sig" else encoding
    assert list(text_lines(path, wanted)) == ["é\u0085one", "", "two\x0b", "three"]


def test_ends_of_lines_and_characters_may_lie_between_two_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dist_bp.data.text.reading.BLOCK_BYTES", 1)
    path = written("aé\r\n\rb€\r\rc", encoding="utf-8")
    assert read_text(path, "utf-8") == "aé\n\nb€\n\nc"
    Path("t.txt").write_bytes(b"a\r\nb\rc\r\n\xff")
    with pytest.raises(DataError, match=r"'t.txt' is not written in utf-8: line 4 holds the byte 0xff"):
        read_text("t.txt", "utf-8")


@pytest.mark.parametrize("by", ["characters", "words", "bpe"])
@pytest.mark.parametrize("end", [" ", "\r\n"])
def test_a_long_line_comes_in_parts_with_the_same_tokens(by: Any, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = end.join(f"some naïve   words {row}," for row in range(400))
    path, whole = written(text, encoding="utf-8"), text.replace("\r\n", "\n")
    monkeypatch.setattr("dist_bp.data.text.reading.BLOCK_BYTES", 100)
    parts = [*text_blocks(path, "utf-8")]
    assert "".join(parts) == whole
    assert len(parts) > 50
    assert max(map(len, parts)) < 300
    tokenizer = Tokenize(by=by).fitted(iter([whole]), ("text",), "text", "x").tokenizer
    np.testing.assert_array_equal(tokenizer.encode(parts).values, tokenizer.encode([whole]).values)
    written("x" * 1000, encoding="utf-8")
    assert "".join(text_blocks(path, "utf-8")) == "x" * 1000


def test_a_text_that_is_no_sample_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dist_bp.data.text.reading.LARGEST_TEXT", 100)
    monkeypatch.setattr("dist_bp.data.text.reading.BLOCK_BYTES", 16)
    path = written("a\n" + "b" * 100 + "\nc")
    assert [*map(len, text_lines(path, "utf-8"))] == [1, 100, 1]
    many = "has more than 100 characters"
    with gzip.open("t.txt.gz", "wb") as file:
        file.write(b"a\n" + b"b" * 101 + b"\n")
    with pytest.raises(DataError, match=rf"^data file 't\.txt\.gz': line 2 {many}, which is too much for a sample"):
        list(text_lines("t.txt.gz", "utf-8"))
    with pytest.raises(DataError, match=rf"^text file 't\.txt' {many}"):
        read_text(path, "utf-8")
    assert end_of_text(path, "utf-8", 4) == "bb\nc"


def test_a_byte_that_does_not_decode_is_told_with_its_line() -> None:
    Path("t.txt").write_bytes(b"DESC:x one\nDESC:y caf\xe9\n")
    assert problems(LinesSource("t.txt"), Tokenize()) == [
        "data file 't.txt' is not written in utf-8: line 2 holds the byte 0xe9: name its encoding, such as "
        "data.source.encoding: latin-1"
    ]
    assert load(LinesSource("t.txt", encoding="latin-1")).samples.inputs["text"][1] == "café"


def test_lines_hold_labels_and_texts() -> None:
    path = written("\n".join(LINES) + "\n\n")
    prepared = make(LinesSource(path), Tokenize())
    assert prepared.schema.classes == ("ham", "spam")
    tokens = len(prepared.pipeline.transforms[0].tokenizer.tokens)  # type: ignore[attr-defined]
    assert prepared.schema.inputs == Field((), "int", ragged=True, count=tokens, unseen=0)
    found = {
        text: label for text, label in zip(decoded(prepared, "train"), prepared.split("train").targets, strict=True)
    }
    rows = {line.split(" ", 1)[1]: line.startswith("spam") for line in LINES}
    assert len(found) == 21
    assert all(rows[text] == bool(label) for text, label in found.items())


def test_a_pattern_says_where_label_and_text_are() -> None:
    path = written("DESC:manner How did it ?\nLOC:city Where is it ?\n")
    samples = LinesSource(path, pattern=r"(?P<label>\w+):\w+ (?P<text>.*)").samples(path)
    assert samples.targets.tolist() == ["DESC", "LOC"]
    assert samples.inputs["text"].tolist() == ["How did it ?", "Where is it ?"]
    with pytest.raises(DataError) as caught:
        LinesSource(path, pattern=r"(?P<label>DESC):\w+ (?P<text>.*)").samples(path)
    assert caught.value.problems == [
        "data file 't.txt': line 2 is not as data.source.pattern says: 'LOC:city Where is it ?'"
    ]
    for pattern, reason in (("(", "is no regular expression"), ("(?P<label>.*)", "must have the groups")):
        with pytest.raises(OptionError, match=reason):
            LinesSource(path, pattern=pattern)


def test_columns_of_text_are_as_they_are_written() -> None:
    written('v,y\n" NA ",0\n,1\nTRUE,0\n1.0,1\n', "d.csv")
    source = CsvSource("d.csv", "y", text=["v"])
    assert load(source).samples.inputs["v"].tolist() == [" NA ", "", "TRUE", "1.0"]
    assert "1 column of text: v" in load(source).notes
    parquet.write_table(pa.table({"v": ["a", None], "y": [0, 1]}), "d.parquet")
    assert "column 'v' of 'd.parquet' has 1 missing values" in problems(ParquetSource("d.parquet", "y", text=["v"]))[0]


def test_json_lines_are_a_table() -> None:
    written('{"v": "a b", "n": 1, "y": "p"}\n\n{"n": 2.5, "y": "q", "v": "c"}\n{"v": "", "y": "p"}\n', "d.jsonl")
    found = load(JsonLinesSource("d.jsonl", "y", text=["v"], missing="impute"))
    assert found.samples.inputs["v"].tolist() == ["a b", "c", ""]
    assert found.samples.inputs["n"].tolist()[:2] == [1, 2.5]
    assert found.samples.targets.tolist() == ["p", "q", "p"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"v": [1], "y": 1}', "line 2 holds a list in 'v'"),
        ('{"v": 5, "y": 1}', "line 2 holds 5 in 'v', which is of another kind"),
        ("[1]", "line 2 holds no object"),
        ('{"v": ', "line 2 is not JSON"),
        ('{"v": 123456789012345678901234567890123, "y": 1}', "too large"),
        ("[" * 100_000, "line 2 is not JSON"),
    ],
)
def test_json_lines_that_are_no_table_are_told(line: str, reason: str) -> None:
    written('{"v": "a", "y": 1}\n' + line, "d.jsonl")
    assert reason in problems(JsonLinesSource("d.jsonl", "y", text=["v"]))[0]


def test_text_beside_other_columns_is_an_input_of_its_own() -> None:
    rows = "".join(f"{row},{'ab'[row % 2]},word {row % 5},{row % 2}\n" for row in range(40))
    written("n,c,v,y\n" + rows, "d.csv")
    source = CsvSource("d.csv", "y", text=["v"])
    prepared = make(source, CategoriesStep(), Standardize(), Tokenize())
    assert {name: str(field) for name, field in prepared.schema.inputs.items()} == {
        "numbers": "1",
        "c": "scalar, whole numbers",
        "v": "any, whole numbers",
    }
    assert set(decoded(prepared, "train", "v")) == {f"word {number}" for number in range(5)}
    one_hot = make(source, OneHot(), Tokenize())
    assert one_hot.pipeline.inputs["numbers"].shape == (3,)
    assert problems(source, OneHot(["v"]), Tokenize())[0].startswith(
        "preprocess step one_hot: there is no categorical column 'v'"
    )
    assert problems(source, OneHot()) == [
        "column 'v' holds text: add {type: tokenize} to data.preprocess, or leave the column out with "
        "data.source.features"
    ]
    assert problems(CsvSource("d.csv", "y"), OneHot(), Tokenize()) == [
        "preprocess step tokenize: the data has no column of text that is left: name it in data.source.text"
    ]


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


def test_raw_texts_may_be_lists_or_tables() -> None:
    pipeline = make(LinesSource(written("\n".join(LINES))), Tokenize()).pipeline
    import pandas as pd

    tables = [["see you", "win"], [{"text": "see you"}, {"text": "win"}], pd.DataFrame({"text": ["see you", "win"]})]
    found = [pipeline.transform(raw).values.tolist() for raw in tables]
    assert found[0] == found[1] == found[2]
    with pytest.raises(DataError, match="several texts at once"):
        pipeline.transform("see you")
    with pytest.raises(DataError, match=r"column 'text' is missing in row 1 .*give the text"):
        pipeline.transform(pd.DataFrame({"text": ["a", None]}))


def test_bags_of_words_are_those_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    prepared = make(LinesSource(written("\n".join(LINES))), BagOfWords(ngrams=2, weights="tfidf"))
    pipeline = prepared.pipeline
    training = [line.split(" ", 1)[1] for line in LINES]
    rows = [row.tobytes() for row in prepared.split("train").inputs]
    kept = [text for text in training if pipeline.transform([text]).tobytes() in rows]
    assert len(kept) == len(rows)
    options: dict[str, Any] = {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"}
    oracle = TfidfVectorizer(**options).fit(kept)
    texts = ["You see a prize, a PRIZE", "win", "", "nothing here"]
    names = pipeline.feature_names
    assert names == tuple(f"text={name}" for name in oracle.get_feature_names_out())
    np.testing.assert_allclose(pipeline.transform(texts), oracle.transform(texts).toarray(), rtol=1e-6)
    counted = make(LinesSource("t.txt"), BagOfWords(weights="count", vocabulary=3)).pipeline
    chosen = [name.removeprefix("text=") for name in counted.feature_names or ()]
    assert len(chosen) == 3
    expected = CountVectorizer(vocabulary=chosen, token_pattern=r"\w+|[^\w\s]").transform(texts).toarray()
    assert counted.transform(texts).tolist() == expected.tolist()


@pytest.mark.parametrize(
    "step",
    [
        BagOfWords(weights="binary"),
        BagOfWords(hashed=True, vocabulary=7),
        BagOfWords(by="characters", ngrams=3, weights="tfidf"),
    ],
)
def test_bags_of_words_are_saved_with_the_model(step: BagOfWords) -> None:
    pipeline = make(LinesSource(written("\n".join(LINES))), step).pipeline
    again = Pipeline.from_dict(json.loads(json.dumps(pipeline.to_dict())))
    texts = ["see you and win", "", "prize prize", "\ud800"]
    np.testing.assert_array_equal(again.transform(texts), pipeline.transform(texts))
    assert pipeline.transform(texts)[1].tolist() == [0] * pipeline.inputs.shape[0]  # type: ignore[union-attr]
    assert pipeline.transform(["prize"]).any()


def test_words_stand_behind_the_numbers_of_a_table() -> None:
    written("n,v,y\n" + "".join(f"{row},{'ab'[row % 2]},{row % 2}\n" for row in range(40)), "d.csv")
    prepared = make(CsvSource("d.csv", "y", text=["v"]), BagOfWords(), Standardize())
    assert prepared.schema.feature_names == ("n", "v=a", "v=b")
    assert set(prepared.split("train").inputs[:, 1]) == {0.0, 1.0}


@pytest.mark.parametrize("lines", [["0 1 2", "3 4"] * 20, [""] * 40])
def test_a_tokenizer_that_knows_nothing_of_the_training_texts_is_refused(lines: list[str]) -> None:
    table = "".join(f'{row % 2},"{line}"\n' for row, line in enumerate(lines))
    source = CsvSource(written(f"label,note\n{table}", "t.csv"), "label", text=["note"])
    assert problems(source, Tokenize(file=letter("tokenizer.json"))) == [
        "the tokenizer knows none of the tokens of the training split's texts (note), so there is nothing to learn "
        "from: take another tokenizer (file) in the step tokenize, or one that learns more tokens or sees more of "
        "each text (vocabulary, min_count, max_length)"
    ]
