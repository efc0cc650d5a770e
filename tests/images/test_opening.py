"""Images of every kind become upright grey or coloured ones, or one line that says why not."""

import errno
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dist_bp.errors import DataError
from dist_bp.images import opening
from dist_bp.images.decoder import Decoder
from dist_bp.images.opening import Unreadable, open_image

GREY = np.arange(20, dtype=np.uint8).reshape(4, 5) * 12
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=2)


def file(image: Any, kind: str = "PNG", **options: Any) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(item: Any) -> np.ndarray:
    return np.asarray(open_image(item))


@pytest.mark.parametrize("array", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_exact_formats_give_their_pixels(array: np.ndarray, kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    content = file(array, kind, **options)
    path = tmp_path / "a"
    path.write_bytes(content)
    expected = array if array.ndim == 3 or kind != "WEBP" else np.stack([array] * 3, axis=2)  # WebP has no grey
    for item in (path, str(path), content, bytearray(content), Image.open(io.BytesIO(content))):
        assert np.array_equal(pixels(item), expected)


def test_jpeg_is_near_its_pixels() -> None:
    smooth = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (32, 1))
    assert np.abs(pixels(file(smooth, "JPEG", quality=95)).astype(int) - smooth).max() < 8


def test_arrays_are_images() -> None:
    assert np.array_equal(pixels(GREY), GREY)
    assert np.array_equal(pixels(GREY[:, :, None]), GREY)
    assert np.array_equal(pixels(COLOUR[:, ::-1]), COLOUR[:, ::-1])


def test_one_bit_is_black_and_white() -> None:
    assert np.array_equal(pixels(file(Image.fromarray(GREY > 100))), np.where(GREY > 100, 255, 0))


def test_of_sixteen_bits_the_upper_eight_are_kept() -> None:
    wide = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000 + 77
    assert np.array_equal(pixels(file(wide)), wide // 256)


def test_sixteen_bits_in_colour_are_treated_as_in_grey() -> None:
    wide = (np.arange(18).reshape(2, 3, 3) * 3000 + 77).astype(">u2")
    assert np.array_equal(pixels(png(wide, bits=16, kind=2)), wide // 256)


def test_a_transparent_value_of_sixteen_bits_lies_on_white() -> None:
    wide = np.array([[513, 40000]], ">u2")
    assert pixels(png(wide, 16, 0, tRNS=struct.pack(">H", 513))).tolist() == [[255, 40000 // 256]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_value_of_few_bits_lies_on_white(bits: int) -> None:
    values = np.arange(2**bits)
    packed = np.packbits(((values[:, None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8))
    scaled = values * 255 // (2**bits - 1)
    for transparent in {0, 1, 2 ** (bits - 1), 2**bits - 1}:
        content = png(packed[None], bits, 0, width=len(values), tRNS=struct.pack(">H", transparent))
        assert pixels(content).tolist() == [np.where(values == transparent, 255, scaled).tolist()]


def test_a_transparent_colour_of_sixteen_bits_is_refused() -> None:
    wide = np.array([[[0x1234] * 3, [0x12FF, 0, 0]]], ">u2")
    with pytest.raises(Unreadable, match="16 bits a channel and a transparent colour: save it with an alpha channel"):
        pixels(png(wide, 16, 2, tRNS=wide[0, 0].tobytes()))


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_with_an_alpha_channel_is_grey(bits: int) -> None:
    values = np.array([[[0, 255], [77, 255], [200, 0]]])
    content = png((values * (257 if bits == 16 else 1)).astype(f">u{bits // 8}"), bits, 4)
    assert pixels(content).tolist() == [[0, 77, 255]]


def test_transparency_lies_on_white() -> None:
    alpha = np.full((4, 5), 255, np.uint8)
    alpha[0], alpha[1] = 0, 128
    share = alpha[:, :, None] / 255
    expected = COLOUR * share + 255 * (1 - share)
    assert np.abs(pixels(file(np.dstack([COLOUR, alpha]))) - expected).max() <= 1
    grey = pixels(file(Image.fromarray(np.dstack([GREY, alpha]))))
    assert grey.shape == (4, 5)
    assert np.abs(grey - (GREY * share[:, :, 0] + 255 * (1 - share[:, :, 0]))).max() <= 1


def test_palettes_give_their_colours_and_what_is_transparent_is_white() -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "L").convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    expected = np.array([[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [40, 50, 60]]])
    assert np.array_equal(pixels(file(image)), expected)
    expected[1, 0] = 255
    assert np.array_equal(pixels(file(image, transparency=2)), expected)


def test_the_first_image_of_a_gif_counts() -> None:
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "blue")]
    content = file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.array_equal(pixels(content), np.full((2, 3, 3), (255, 0, 0)))


def test_cmyk_becomes_rgb() -> None:
    content = file(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")
    assert np.abs(pixels(content).astype(int) - (255, 0, 0)).max() < 8


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, GREY),
        (2, GREY[:, ::-1]),
        (3, GREY[::-1, ::-1]),
        (4, GREY[::-1]),
        (6, np.rot90(GREY, -1)),
        (8, np.rot90(GREY)),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_exif_turns_images_upright(orientation: int, upright: np.ndarray, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = pixels(file(np.stack([GREY] * 3, axis=2), kind, exif=exif, lossless=True))
    assert np.array_equal(found[:, :, 0], upright)


def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "torn.png").write_bytes(file(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))[:2000])
    os.mkfifo(tmp_path / "pipe.png")
    reasons = {
        "empty.png": "it is empty",
        "text.png": "it is no PNG, JPEG, BMP, GIF or WebP",
        "torn.png": "truncated",
        "pipe.png": "it is a pipe, not a file",
        "gone.png": "No such file or directory",
        "x\0.png": "its name holds a NUL character",
    }
    for name, reason in reasons.items():
        with pytest.raises(Unreadable) as caught:
            open_image(f"{tmp_path}/{name}")
        (line,) = caught.value.problems
        assert line.startswith(f"image file {f'{tmp_path}/{name}'!r} cannot be read: ")
        assert reason in line
        assert "\n" not in line


@pytest.mark.parametrize(
    ("number", "passed_over"),
    [
        *((code, True) for code in (errno.ENOENT, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR)),
        *((code, False) for code in (errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM)),
    ],
)
@pytest.mark.parametrize("where", ["open", "read"])
def test_only_what_a_file_is_the_reason_of_is_unreadable(
    number: int, passed_over: bool, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError(number, os.strerror(number))

    def broken(*_: Any) -> Any:
        if where == "open":
            raise OSError(number, os.strerror(number))
        return Broken()

    monkeypatch.setattr(opening, "open_file", broken)
    with pytest.raises(DataError, match=f"cannot be read: {os.strerror(number)}") as caught:
        open_image(tmp_path / "a.png")
    assert isinstance(caught.value, Unreadable) == passed_over


class Hungry:
    def __call__(self, image: Image.Image) -> Image.Image:
        raise MemoryError


def test_too_little_memory_is_told_and_no_damage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(file(GREY))
    line = f"image file {str(path)!r} needs more memory than there is"

    def fails(error: Exception) -> Any:
        def load(self: Any) -> None:
            raise error

        return load

    with pytest.raises(DataError) as caught:
        Decoder((Hungry(),)).pixels(path)  # type: ignore[arg-type]
    assert (type(caught.value), str(caught.value)) == (DataError, line)
    for error in (MemoryError(), OSError("out of memory error when reading image file")):
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fails(error))
        with pytest.raises(DataError) as caught:
            open_image(path)
        assert (type(caught.value), str(caught.value)) == (DataError, line)


def test_a_file_is_not_larger_than_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(file(GREY))
    os.truncate(path, 2**28 + 1)
    with pytest.raises(Unreadable, match="it holds 268,435,457 bytes, more than the 268,435,456 that it may"):
        open_image(path)


def test_whoever_imports_it_keeps_the_filters_of_warnings() -> None:
    code = "import warnings; before = [*warnings.filters]; import dist_bp.images.opening; "
    code += "import PIL.Image; print([one for one in warnings.filters if one[2] is PIL.Image.DecompressionBombWarning])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(("item", "reason"), [
    (GREY.astype(float), "must hold uint8, this one holds float64"),
    (np.zeros((2, 2, 2), np.uint8), r"this one is \(2, 2, 2\)"),
    (np.zeros((0, 2), np.uint8), "this one is"),
    (Image.new("F", (2, 2)), "mode F does not say"),
    (3, "must be a path, bytes, an array or an image of Pillow, it is int"),
])  # fmt: skip
def test_what_is_no_image_is_refused(item: Any, reason: str) -> None:
    with pytest.raises(Exception, match=reason) as caught:
        open_image(item)
    assert type(caught.value).__module__.startswith("dist_bp")


def test_more_pixels_than_pillow_allows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = file(np.zeros((30, 30), np.uint8))
    for limit in (800, 300):  # a warning of Pillow, and an error
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(Unreadable, match=f"more than the {limit} pixels"):
            open_image(content)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 800)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Unreadable, match="more than the 800 pixels"):
            open_image(content)


KINDS = {kind: file(COLOUR, kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP")}


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), data=st.data())
def test_a_damaged_file_is_an_image_or_one_line(kind: str, data: st.DataObject) -> None:
    content = bytearray(KINDS[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))
    problems: list[str] = []
    try:
        open_image(bytes(content[:end]))
    except Unreadable as error:
        problems = str(error).splitlines()
    assert len(problems) <= 1


def png(array: np.ndarray, bits: int, kind: int, width: int = 0, **chunks: bytes) -> bytes:
    """A PNG written by hand: Pillow writes no colours of 16 bits."""
    height, width = len(array), width or array.shape[1]
    lines = b"".join(b"\0" + row.tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = {"IHDR": header, **chunks, "IDAT": zlib.compress(lines), "IEND": b""}
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in parts.items():
        content += struct.pack(">I", len(body)) + name.encode() + body
        content += struct.pack(">I", zlib.crc32(name.encode() + body))
    return content
