"""Tokens that come one after another, as text."""

from collections.abc import Sequence

from dist_bp.data.text.tokenizer import Tokenizer

BROKEN = "\ufffd"
"""What decoding makes of bytes that are no character, or not yet."""
MOST_OPEN = 3
"""Bytes of a character in UTF-8 that has not ended."""


class Pieces:
    """The text of tokens that follow those `before`, as soon as no later token can change it.

    Where a token may hold a part of a character, its text waits for the rest.
    """

    def __init__(self, tokenizer: Tokenizer, before: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._tokens = [*before]
        self._settled = len(self._tokens)
        self._told = len(tokenizer.decode(self._tokens))

    def __call__(self, token: int) -> str:
        """What the text goes on with, which may be nothing yet."""
        self._tokens.append(token)
        text = self._tokenizer.decode(self._tokens)
        certain = len(text) if self._tokenizer.whole else _certain(text)
        more = text[self._told : certain]
        self._told = max(self._told, certain)
        if certain == len(text):
            # The last tokens stay: how the next one is joined to them depends on them.
            del self._tokens[: self._settled]
            self._settled = len(self._tokens)
            self._told = len(self._tokenizer.decode(self._tokens))
        return more


def _certain(text: str) -> int:
    """How many characters of a text stay as they are, whatever bytes follow."""
    end = len(text)
    while end and len(text) - end < MOST_OPEN and text[end - 1] == BROKEN:
        end -= 1
    return end
