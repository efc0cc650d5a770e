"""Resizing, cropping and recolouring against Pillow's own functions and plain NumPy."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dist_bp.data.inputs import Features
from dist_bp.data.media.raw import decode_raw
from dist_bp.errors import DataError
from dist_bp.images.decoder import Decoder
from dist_bp.images.operations import Cropped, Recoloured, Resized

RNG = np.random.default_rng(3)
COLOUR = RNG.integers(0, 256, (30, 50, 3), np.uint8)
SIDES = st.integers(1, 40)
FILTERS = ("nearest", "box", "bilinear", "bicubic", "lanczos")


def done(array: np.ndarray, *operations: Resized | Cropped | Recoloured) -> np.ndarray:
    return Decoder(operations).pixels(array)


@pytest.mark.parametrize("name", FILTERS)
def test_resizing_is_that_of_pillow(name: str) -> None:
    image, resample = Image.fromarray(COLOUR), Image.Resampling[name.upper()]
    stretched = done(COLOUR, Resized(20, 12, "stretch", name, 0))
    assert np.array_equal(stretched, np.asarray(image.resize((12, 20), resample)))
    filled = done(COLOUR, Resized(20, 12, "fill", name, 0))
    assert np.array_equal(filled, np.asarray(ImageOps.fit(image, (12, 20), resample)))
    fitted = done(COLOUR, Resized(20, 12, "fit", name, 7))
    assert np.array_equal(fitted, np.asarray(ImageOps.pad(image, (12, 20), resample, (7, 7, 7))))


def test_fit_shows_all_between_bars() -> None:
    white = np.full((10, 40), 255, np.uint8)
    found = done(white, Resized(20, 20, "fit", "bilinear", 9))[:, :, 0]
    expected = np.full((20, 20), 9)
    expected[7:12] = 255
    assert np.array_equal(found, expected)


def test_fill_shows_the_middle() -> None:
    striped = np.repeat(np.array([0, 100, 200], np.uint8), 10)[None].repeat(10, axis=0)
    assert np.array_equal(done(striped, Resized(10, 10, "fill", "bilinear", 0))[:, :, 0], np.full((10, 10), 100))


@settings(max_examples=60, deadline=None)
@given(height=SIDES, width=SIDES, to=st.tuples(SIDES, SIDES), mode=st.sampled_from(["fit", "fill", "stretch"]))
def test_every_size_becomes_that_asked_for(height: int, width: int, to: tuple[int, int], mode: str) -> None:
    one = done(np.full((height, width), 200, np.uint8), Resized(*to, mode, "bilinear", 0))  # type: ignore[arg-type]
    assert one.shape == (*to, 1)
    if mode != "fit" or height * to[1] == width * to[0]:
        assert set(one.ravel()) == {200}


def test_an_image_of_the_size_stays_as_it_is() -> None:
    for mode in ("fit", "fill", "stretch"):
        assert np.array_equal(done(COLOUR, Resized(30, 50, mode, "bicubic", 0)), COLOUR)  # type: ignore[arg-type]


def test_center_crop_keeps_the_middle() -> None:
    assert np.array_equal(done(COLOUR, Cropped(10, 21)), COLOUR[10:20, 14:35])
    with pytest.raises(DataError, match=r"is 30 x 50, smaller than the 31 x 10 that center_crop keeps: put a resize"):
        done(COLOUR, Cropped(31, 10))


def test_grey_weighs_colours_and_colour_repeats_grey() -> None:
    grey = done(COLOUR, Recoloured(1))
    assert np.abs(grey[:, :, 0] - COLOUR @ [0.299, 0.587, 0.114]).max() <= 0.51
    assert np.array_equal(done(grey, Recoloured(3)), np.repeat(grey, 3, axis=2))


def test_a_decoder_survives_json() -> None:
    decoder = Decoder((Recoloured(1), Resized(8, 9, "fill", "box", 3), Cropped(4, 5)))
    assert Decoder.from_json(json.loads(json.dumps(decoder.to_json()))) == decoder


def test_an_image_of_another_shape_is_named() -> None:
    with pytest.raises(DataError) as caught:
        decode_raw([COLOUR, COLOUR[:, :, 0]], Decoder(), Features((30, 50, 3)))
    (line,) = caught.value.problems
    assert line.startswith("image 1 (counted from 0) is 30 x 50 and grey, not 30 x 50 and in colour as in training: ")
