"""What became of texts when they were made tokens, in numbers."""

from dataclasses import dataclass

from dist_bp.messages import plural


@dataclass
class TokenCounts:
    """Texts and their tokens; of them those `cut` to the length that is allowed, `empty` ones, `unknown` tokens."""

    texts: int = 0
    tokens: int = 0
    longest: int = 0
    cut: int = 0
    lost: int = 0
    empty: int = 0
    unknown: int = 0

    def __iadd__(self, other: "TokenCounts") -> "TokenCounts":
        self.longest = max(self.longest, other.longest)
        for name in ("texts", "tokens", "cut", "lost", "empty", "unknown"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    @property
    def parts(self) -> list[str]:
        """Each thing that is not as one would have it, with its share."""
        told = []
        if self.unknown:
            told.append(f"{plural(self.unknown, 'unknown token')} ({_share(self.unknown, self.tokens)})")
        if self.cut:
            tokens = f"{_share(self.lost, self.tokens + self.lost)} of all tokens"
            told.append(f"{self.cut:,} cut ({_share(self.cut, self.texts)}), which lost {tokens}")
        if self.empty:
            told.append(f"{self.empty:,} without a token, taken for one unknown token each")
        return told

    def problem(self, name: str) -> str | None:
        """Why nothing can be learnt of the training split's texts `name`, if there is no token but unknown ones."""
        if self.unknown < self.tokens:
            return None
        return (
            f"the tokenizer knows none of the tokens of the training split's texts ({name}), so there is nothing to "
            "learn from: take another tokenizer (file) in the step tokenize, or one that learns more tokens or sees "
            "more of each text (vocabulary, min_count, max_length)"
        )

    def line(self, name: str, where: str) -> str:
        """Of the texts `name`, with what they are on the whole if `where` says which they are."""
        size = f"{self.tokens / max(self.texts, 1):.1f} tokens on average, {self.longest:,} at most"
        about = [f"{plural(self.texts, 'text')} {where}".rstrip(), *([size] if where else [])]
        return f"{name}: {'; '.join([', '.join(about), *self.parts])}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.3g} %"
