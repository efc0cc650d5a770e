"""Text: files of it, tokenizers, and what is told of what they make."""
