"""The unknown token of a tokenizer.json: its own, or one that it is given."""

from collections.abc import Iterator, Mapping
from typing import Any

from dist_bp.data.text.tokenizer import UNKNOWN


def with_unknown(model: Mapping[str, Any], known: Mapping[str, int]) -> tuple[dict[str, Any], int]:
    """A model of the `tokenizers` library and the number of its unknown token, which stands for all that the model
    does not know; `known` are the numbers of all tokens.

    Without one byte-pair encoding drops what it does not know, and others end. The token is one of `known`, or comes
    behind them. Raises ValueError where there is no room for it.
    """
    name = next((one for one in _names(model) if one in known), UNKNOWN)
    number, vocabulary = known.get(name, max(known.values()) + 1), model["vocab"]
    if not isinstance(vocabulary, list):
        # tokens that were added to the model are numbered anew behind its own, unless it has them
        more = {} if name in vocabulary else {**known, name: number}
        return {**model, "unk_token": name, "vocab": vocabulary | more}, number
    listed = [piece for piece, _ in vocabulary]
    if name not in listed:
        if number != len(listed):
            raise ValueError("its Unigram model does not say which token is the unknown one: set unk_id")
        vocabulary = [*vocabulary, [name, 0.0]]
    place = number if name not in listed else listed.index(name)
    return {**model, "unk_id": place, "vocab": vocabulary}, place


def _names(model: Mapping[str, Any]) -> Iterator[str]:
    """What a model calls the unknown token, and what such a token is usually called."""
    named = model.get("unk_token")
    if isinstance(named, str):
        yield named
    place, vocabulary = model.get("unk_id"), model.get("vocab")
    if isinstance(place, int) and isinstance(vocabulary, list) and 0 <= place < len(vocabulary):
        yield str(vocabulary[place][0])
    yield from (UNKNOWN, "[UNK]")
