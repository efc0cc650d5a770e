"""Operations on sounds against formulas that are written out here."""

import math
from typing import Any

import numpy as np
import pytest

from dist_bp.errors import DataError
from dist_bp.sounds import features
from dist_bp.sounds.decoder import SoundDecoder
from dist_bp.sounds.operations import (
    Cepstral,
    Framed,
    LogMel,
    Mixed,
    Normalized,
    Resampled,
    Trimmed,
    WithDeltas,
)
from dist_bp.types import Array
from tests.sounds.noises import tone

NOISE = np.random.default_rng(0).normal(0, 0.1, 1234)
MEL: dict[str, Any] = {"window": 0.025, "hop": 0.01, "bands": 12, "low": 50.0, "high": 3800.0, "floor": 1e-6}


def made(sound: Array, *operations: Any, rate: int = 8000) -> Array:
    return SoundDecoder(operations).open((sound, rate)).sound.values


def mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def reference(sound: Array, rate: int = 8000) -> Array:
    """Log-mel energies with a DFT and triangles as their definitions have them, in float64."""
    window, hop, size = 200, 80, 256
    dft = np.exp(-2j * np.pi * np.outer(np.arange(size // 2 + 1), np.arange(window)) / size)
    edges = [
        700 * (10 ** (m / 2595) - 1) for m in np.linspace(mel(MEL["low"]), mel(MEL["high"]), MEL["bands"] + 2).tolist()
    ]
    rows = []
    for start in range(0, len(sound) - window + 1, hop):
        frame = sound[start : start + window] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window))
        power = np.abs(dft @ frame) ** 2
        row = []
        for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False):
            total = 0.0
            for k, value in enumerate(power.tolist()):
                hertz = k * rate / size
                if low < hertz < high:
                    total += value * (
                        (hertz - low) / (centre - low) if hertz < centre else (high - hertz) / (high - centre)
                    )
            row.append(math.log(max(total, MEL["floor"])))
        rows.append(row)
    return np.array(rows)


EXPECTED = reference(NOISE)


def test_log_mel() -> None:
    found = made(NOISE, LogMel(**MEL))
    assert found.dtype == np.float32
    assert found.shape == EXPECTED.shape == ((1234 - 200) // 80 + 1, 12)
    np.testing.assert_allclose(found, EXPECTED, atol=1e-4)


def test_mfcc() -> None:
    found = made(NOISE, Cepstral(**MEL, coefficients=5))
    for row, expected in zip(found, EXPECTED, strict=True):
        for k in range(5):
            scale = math.sqrt((1 if k == 0 else 2) / 12)
            total = sum(x * math.cos(math.pi * k * (2 * n + 1) / 24) for n, x in enumerate(expected))
            assert row[k] == pytest.approx(scale * total, abs=1e-3)


@pytest.mark.parametrize("order", [1, 2])
def test_deltas(order: int) -> None:
    logs = made(NOISE, LogMel(**MEL))
    found = made(NOISE, LogMel(**MEL), WithDeltas(2, order))

    def slopes(x: Array) -> Array:
        at = [x[min(max(t, 0), len(x) - 1)] for t in range(-2, len(x) + 2)]
        return np.array([(at[t + 3] - at[t + 1] + 2 * (at[t + 4] - at[t])) / 10 for t in range(len(x))])

    expected = [logs, slopes(logs)]
    expected += [slopes(expected[1])] * (order == 2)
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=1e-5)


def test_long_sounds_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made(NOISE, LogMel(**MEL))
    monkeypatch.setattr(features, "ROWS", 4)
    np.testing.assert_allclose(made(NOISE, LogMel(**MEL)), whole, atol=1e-5)


def test_frames_and_sounds_shorter_than_one() -> None:
    found = made(NOISE, Framed(0.025, 0.01))
    assert np.array_equal(found, np.array([NOISE[t : t + 200] for t in range(0, 1035, 80)], np.float32))
    short = made(NOISE[:30], Framed(0.025, 0.01))
    assert short.shape == (1, 200)
    assert np.array_equal(short[0, :30], NOISE[:30].astype(np.float32))
    assert not short[0, 30:].any()


@pytest.mark.parametrize(("rate", "other"), [(44100, 8000), (8000, 16000), (11025, 8000)])
def test_resample_keeps_what_is_heard(rate: int, other: int) -> None:
    found = made(tone(440, rate=rate), Resampled(other), rate=rate)[:, 0]
    assert len(found) == math.ceil(0.5 * rate * other / rate)
    middle = slice(other // 20, -other // 20)  # the ends ring
    np.testing.assert_allclose(found[middle], tone(440, rate=other)[: len(found)][middle], atol=2e-3)


def test_resample_leaves_out_what_a_lower_rate_cannot_hold() -> None:
    found = made(tone(440, rate=16000) + tone(6000, rate=16000), Resampled(8000), rate=16000)[:, 0]
    np.testing.assert_allclose(found[400:-400], tone(440)[400:-400], atol=2e-3)


def test_mono_is_the_mean() -> None:
    found = made(np.stack([tone(300), tone(500)], axis=1), Mixed())
    np.testing.assert_allclose(found[:, 0], (tone(300) + tone(500)) / 2, atol=1e-6)


def test_silence_at_both_ends_is_cut_off() -> None:
    quiet, loud = tone(300, 0.2, loud=0.004), tone(300, 0.3, loud=0.5)
    sound = np.concatenate([quiet, loud, quiet, loud, quiet])
    inner = np.concatenate([loud, quiet, loud]).astype(np.float32)
    assert np.array_equal(made(sound, Trimmed(40.0))[:, 0], inner)  # 20 log10(0.5 / 0.004) is 41.9
    assert len(made(sound, Trimmed(43.0))) == len(sound)


def test_what_cannot_be_done_is_told() -> None:
    with pytest.raises(DataError, match=r"a sound has 2 channels: put \{type: mono\} before it"):
        made(np.stack([NOISE, NOISE], axis=1), LogMel(**MEL))
    with pytest.raises(DataError, match=r"has 4,000 samples a second, which hold frequencies up to 2000 Hz"):
        made(NOISE, LogMel(**MEL), rate=4000)
    with pytest.raises(DataError, match=r"of 100 bands hold none: take fewer bands, or a longer window"):
        made(NOISE, LogMel(**{**MEL, "bands": 100}))


def test_other_rates_and_channels_become_those_of_training() -> None:
    decoder = SoundDecoder((), 8000, 2)
    one = decoder.open((tone(440, rate=16000), 16000))
    assert (one.rate, one.channels, one.sound.rate, one.sound.values.shape) == (16000, 1, 8000, (4000, 2))
    assert np.array_equal(one.sound.values[:, 0], one.sound.values[:, 1])
    assert decoder.converts(one)
    assert not decoder.converts(decoder.open((np.stack([NOISE, NOISE], axis=1), 8000)))
    array, facts = decoder.packed(one)
    assert decoder.unpacked(array, facts) == one


def test_a_decoder_is_written_and_read() -> None:
    operations = (Resampled(8000), Mixed(), Trimmed(30.0), Cepstral(**MEL, coefficients=5), WithDeltas(2, 1))
    decoder = SoundDecoder(operations, 16000, None)
    assert SoundDecoder.from_json(decoder.to_json()) == decoder


def test_numbers_are_normalized_over_their_own_sound() -> None:
    logs = made(NOISE, LogMel(**MEL)).astype(np.float64)
    centred = logs - logs.mean(axis=0)
    np.testing.assert_allclose(made(NOISE, LogMel(**MEL), Normalized(False)), centred, atol=1e-5)
    found = made(NOISE, LogMel(**MEL), Normalized(True))
    np.testing.assert_allclose(found, centred / logs.std(axis=0), atol=1e-5)
    np.testing.assert_allclose(made(NOISE * 0.25, LogMel(**MEL), Normalized(True)), found, atol=1e-3)
    assert not made(NOISE[:150], LogMel(**MEL), Normalized(True)).any()  # one frame is its own mean
