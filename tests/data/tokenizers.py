"""Tokenizers of files."""

from tokenizers import Tokenizer, models, pre_tokenizers


def letter(path: str) -> str:
    """Writes a tokenizer that knows the word "a" alone, and the unknown token."""
    made = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(path)
    return path
