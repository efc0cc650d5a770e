"""Which files are taken for images."""

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
"""What Pillow calls them."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
