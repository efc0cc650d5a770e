"""Which files are taken for sounds."""

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
