"""Tokenizers of the `tokenizers` library, and its files: byte-pair encoding, WordPiece, and what others have fitted."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from dist_bp.data.samples import RaggedArray
from dist_bp.data.text.accepted import accepted
from dist_bp.data.text.reading import whole
from dist_bp.data.text.tokenizer import UNKNOWN, NormalForm, Tokenizer, joined
from dist_bp.data.text.unknown import with_unknown
from dist_bp.errors import DataError, DistBpError
from dist_bp.foreign import checked, read_json
from dist_bp.messages import first_line

# The library's own threads would warn in each process that is forked later.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
AT_A_TIME = 1024
CONTINUES = "##"
"""What WordPiece puts before a token that is not the beginning of a word."""
SPARE_NUMBERS = 1000
"""That may stand for no token, beyond as many as there are tokens."""


class LibraryTokens(Tokenizer):
    """What a tokenizer.json says, as far as it is taken, see `accepted`.

    A tokenizer without an unknown token gets one behind its own. Raises ValueError, also for what the library does not
    read; encoding and decoding raise DataError where it fails at a text.
    """

    kind = "library"

    def __init__(self, content: Any) -> None:
        from tokenizers import Tokenizer as Library

        taken = accepted(content)
        with _told():
            self._library = Library.from_str(json.dumps(taken))
            known = self._library.get_vocab(with_added_tokens=True)
        if not known:
            raise ValueError("it has no tokens")
        largest, most = max(known.values()), 2 * len(known) + SPARE_NUMBERS
        if largest > most:
            raise ValueError(
                f"one of its {len(known):,} tokens has the number {largest:,}, more than the {most:,} taken"
            )
        model, self._unknown = with_unknown(taken["model"], known)
        if model != taken["model"]:
            with _told():
                self._library = Library.from_str(json.dumps(taken | {"model": model}))
                known = self._library.get_vocab(with_added_tokens=True)
        names = [f"<{number}>" for number in range(max(known.values()) + 1)]
        for name, number in known.items():
            names[number] = name
        self._tokens = tuple(names)

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        by: Literal["bpe", "wordpiece"],
        most: int,
        least: int,
        lowercase: bool,
        normalize: NormalForm | None,
    ) -> "LibraryTokens":
        """Learns at most `most` tokens, the unknown one among them, of pairs that are seen `least` times.

        Byte-pair encoding (Sennrich et al. 2016) is that of bytes, to which no text is unknown. WordPiece (Schuster and
        Nakajima 2012) begins with the characters, the most frequent ones where there are too many: `texts` are gone
        through twice. Raises ValueError.
        """
        from tokenizers import Tokenizer as Library
        from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

        library = Library(models.BPE() if by == "bpe" else models.WordPiece(unk_token=UNKNOWN))
        changes = [getattr(normalizers, normalize)()] if normalize else []
        changes += [normalizers.Lowercase()] if lowercase else []
        if changes:
            library.normalizer = normalizers.Sequence(changes)
        options: dict[str, Any] = {"vocab_size": most, "min_frequency": least, "show_progress": False}
        if by == "bpe":
            library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            library.decoder = decoders.ByteLevel()
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            trainer: Any = trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=[UNKNOWN], **options)
        else:
            library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            library.decoder = decoders.WordPiece()
            with _told():
                begin = frequent_characters(_words(library, texts), most - 1)
            # The library would number them in the order of a hash table, another one in each process: as special tokens
            # they are numbered as they stand here.
            named = sorted(begin) + [CONTINUES + character for character in sorted(begin) if begin[character]]
            trainer = trainers.WordPieceTrainer(
                initial_alphabet=[*begin], limit_alphabet=len(begin), special_tokens=[UNKNOWN, *named], **options
            )
        with _told():
            library.train_from_iterator(texts, trainer)
        content = json.loads(library.to_str())
        content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] == UNKNOWN]
        return cls(content)

    @property
    def tokens(self) -> Sequence[str]:
        return self._tokens

    @property
    def unknown(self) -> int:
        return self._unknown

    def encode(self, texts: Sequence[str]) -> RaggedArray:
        """Raises DataError."""
        rows: list[list[int]] = []
        with _told(DataError, "the tokenizer fails: "):
            for start in range(0, len(texts), AT_A_TIME):
                some = [whole(text) for text in texts[start : start + AT_A_TIME]]
                rows += [one.ids for one in self._library.encode_batch_fast(some, add_special_tokens=False)]
        return joined(rows, int)

    def decode(self, numbers: Sequence[int]) -> str:
        with _told(DataError, "the tokenizer fails: "):
            text: str = self._library.decode([*map(int, numbers)], skip_special_tokens=False)
        return text

    def to_dict(self) -> dict[str, Any]:
        return {"tokenizer": json.loads(self._library.to_str())}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> "LibraryTokens":
        """Raises ValueError."""
        return cls(checked(dict[str, Any], state["tokenizer"]))


def read_tokenizer(path: str) -> LibraryTokens:
    """The tokenizer of a file; raises OSError, and ValueError where it holds none."""
    return LibraryTokens(read_json(path))


def frequent_characters(words: Iterable[str], most: int) -> dict[str, bool]:
    """The most frequent characters of `words`, and whether each is also found behind a word's beginning.

    They are as many as make at most `most` tokens, one for the beginning of words and one for what continues them.
    """
    first: Counter[str] = Counter()
    later: Counter[str] = Counter()
    for word in words:
        first[word[0]] += 1
        later.update(word[1:])
    kept: dict[str, bool] = {}
    for character, _ in sorted((first + later).items(), key=lambda item: (-item[1], item[0])):
        most -= 1 + (character in later)
        if most < 0:
            break
        kept[character] = character in later
    return kept


def _words(library: Any, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        changed = library.normalizer.normalize_str(text) if library.normalizer else text
        yield from (word for word, _ in library.pre_tokenizer.pre_tokenize_str(changed) if word)


@contextmanager
def _told(kind: type[Exception] = ValueError, what: str = "") -> Iterator[None]:
    """What the library raises, also where it gives up, as another kind of error."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError, DistBpError):
        raise
    except BaseException as error:
        raise kind(f"{what}{first_line(error)}") from error
