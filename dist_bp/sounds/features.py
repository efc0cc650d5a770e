"""Spectra on the mel scale, and what is computed from them.

The mel scale is that of O'Shaughnessy and of HTK, mel(f) = 2595 log10(1 + f / 700). Bands are triangles over the
frequencies in Hz, 1 at their centres, which are equally far apart in mel, and 0 at the centres of their neighbours.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import dct, rfft

from dist_bp.errors import DataError
from dist_bp.types import Array

ROWS = 256
"""Frames at a time: they and their spectra stay in the cache."""


def frames(signal: Array, window: int, hop: int) -> Array:
    """Frames (n, window) of samples (samples,), one every `hop`, as a view; what is left at the end, shorter than a
    frame, is left out. A signal that is shorter than one is filled up with zeros."""
    if len(signal) < window:
        signal = np.pad(signal, (0, window - len(signal)))
    return sliding_window_view(signal, window)[::hop]


def powers(signal: Array, window: int, hop: int) -> Iterator[Array]:
    """|DFT|**2 (rows, size // 2 + 1) of frames under a periodic Hann window, some at a time, where `size` is the power
    of 2 from `window` on."""
    cut, size = frames(signal, window, hop), size_of(window)
    hann = (0.5 - 0.5 * np.cos(2 * np.pi / window * np.arange(window))).astype(np.float32)
    for start in range(0, len(cut), ROWS):
        spectrum = rfft(cut[start : start + ROWS] * hann, size, axis=1)
        yield np.square(spectrum.real) + np.square(spectrum.imag)


def log_mel(
    signal: Array, rate: int, window: int, hop: int, bands: int, low: float, high: float | None, floor: float
) -> Array:
    """ln(max(power in each band, floor)) of each frame, float32 (frames, bands)."""
    filters = mel_filters(rate, size_of(window), bands, low, high)
    parts = [np.log(np.maximum(power @ filters, np.float32(floor))) for power in powers(signal, window, hop)]
    return np.concatenate(parts)


def mfcc(logs: Array, coefficients: int) -> Array:
    """The first coefficients of the orthonormal DCT-II of each row (Davis and Mermelstein, 1980)."""
    found: Array = dct(logs, 2, axis=1, norm="ortho")[:, :coefficients]
    return np.ascontiguousarray(found)


def deltas(features: Array, width: int) -> Array:
    """The slope of the regression line over `width` positions on both sides: sum_n n (x[t + n] - x[t - n]) /
    (2 sum_n n**2), the ends repeated (The HTK Book, equation 5.16)."""
    count = len(features)
    padded = np.pad(features, ((width, width), (0, 0)), "edge")
    steps = range(1, width + 1)
    total = sum(n * (padded[width + n : width + n + count] - padded[width - n : width - n + count]) for n in steps)
    return np.asarray(total / np.float32(2 * sum(n * n for n in steps)), np.float32)


def size_of(window: int) -> int:
    """Of the DFT: the next power of 2."""
    return 1 << (window - 1).bit_length()


@cache
def mel_filters(rate: int, size: int, bands: int, low: float, high: float | None) -> Array:
    """How much each frequency of a DFT of `size` counts in each band, float32 (size // 2 + 1, bands).

    Raises DataError where the band ends above half the rate, or holds no frequency.
    """
    top = rate / 2 if high is None else high
    if top > rate / 2 or low >= top:
        raise DataError(
            f"has {rate:,} samples a second, which hold frequencies up to {rate / 2:g} Hz: bands from {low:g} to "
            f"{top:g} Hz do not lie there"
        )
    edges = hertz_of(np.linspace(mel_of(low), mel_of(top), bands + 2))
    frequencies = np.arange(size // 2 + 1)[:, np.newaxis] * (rate / size)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (frequencies - left) / (centre - left), (right - frequencies) / (right - centre)
    filters: Array = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    if not (held := filters.any(axis=0)).all():
        raise DataError(
            f"has {rate:,} samples a second, of which a window of {size} tells frequencies {rate / size:g} Hz apart: "
            f"{int((~held).sum())} of {bands} bands hold none: take fewer bands, or a longer window"
        )
    return filters


def mel_of(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def hertz_of(mel: Array) -> Array:
    return np.asarray(700 * (10 ** (mel / 2595) - 1))
