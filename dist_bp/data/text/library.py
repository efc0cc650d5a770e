"""Tokenizers of the `tokenizers` library, and its files: byte-pair encoding, WordPiece, and what others have fitted."""

import json
import os
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
        Nakajima 2012) has each character as a word's beginning and as its continuation; where these are too many, the
        texts are gone through once more, for the most frequent ones alone. Raises ValueError.
        """
        made = cls._fit(texts, by, most, least, lowercase, normalize, None)
        if len(made.tokens) > most:
            made = cls._fit(texts, by, most, least, lowercase, normalize, (most - 1) // 2)
        return made

    @classmethod
    def _fit(
        cls,
        texts: Iterable[str],
        by: Literal["bpe", "wordpiece"],
        most: int,
        least: int,
        lowercase: bool,
        normalize: NormalForm | None,
        characters: int | None,
    ) -> "LibraryTokens":
        from tokenizers import Tokenizer as Library
        from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

        options: dict[str, Any] = {
            "vocab_size": most,
            "min_frequency": least,
            "special_tokens": [UNKNOWN],
            "show_progress": False,
        }
        if characters is not None:
            options["limit_alphabet"] = characters
        if by == "bpe":
            library = Library(models.BPE())
            library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            library.decoder = decoders.ByteLevel()
            trainer: Any = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options)
        else:
            library = Library(models.WordPiece(unk_token=UNKNOWN))
            library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            library.decoder = decoders.WordPiece()
            trainer = trainers.WordPieceTrainer(**options)
        changes = [getattr(normalizers, normalize)()] if normalize else []
        changes += [normalizers.Lowercase()] if lowercase else []
        if changes:
            library.normalizer = normalizers.Sequence(changes)
        with _told():
            library.train_from_iterator(texts, trainer)
        return cls(json.loads(library.to_str()))

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


@contextmanager
def _told(kind: type[Exception] = ValueError, what: str = "") -> Iterator[None]:
    """What the library raises, also where it gives up, as another kind of error."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError, DistBpError):
        raise
    except BaseException as error:
        raise kind(f"{what}{first_line(error)}") from error
