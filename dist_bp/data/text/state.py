"""A tokenizer as JSON."""

from typing import Any

from dist_bp.data.text.tokenizer import ListedTokens, Tokenizer


def tokenizer_to_json(tokenizer: Tokenizer) -> dict[str, Any]:
    return {"kind": tokenizer.kind, **tokenizer.to_dict()}


def tokenizer_from_json(state: dict[str, Any]) -> Tokenizer:
    """Undoes `tokenizer_to_json`; raises LookupError, TypeError or ValueError."""
    options = dict(state)
    kind = options.pop("kind")
    if kind == ListedTokens.kind:
        return ListedTokens.from_dict(options)
    from dist_bp.data.text.library import LibraryTokens

    if kind == LibraryTokens.kind:
        return LibraryTokens.from_dict(options)
    raise ValueError(f"there is no tokenizer {kind!r}")
