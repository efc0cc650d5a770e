"""Which files are taken for images."""

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
"""What Pillow calls them."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


def is_image(name: str) -> bool:
    """Whether the suffix of a file says that it is an image."""
    return name.lower().endswith(SUFFIXES)
