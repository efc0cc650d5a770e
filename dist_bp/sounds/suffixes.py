"""Which files are taken for sounds."""

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


def is_sound(name: str) -> bool:
    """Whether the suffix of a file says that it is a sound."""
    return name.lower().endswith(SUFFIXES)
