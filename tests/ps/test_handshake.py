"""Introductions of servers to each other: what a proof is bound to."""

import pytest

from dist_bp.ps.handshake import Dialer, Listener

SECRET = b"s" * 32


def introduce(dialer: Dialer, listener: Listener, connection: bytes = b"c") -> int | None:
    challenge = listener.answer(connection, dialer.hello)
    assert challenge is not None
    assert challenge[1] is None
    proof = dialer.answer(challenge[0])
    assert proof is not None
    welcome = listener.answer(connection, proof)
    if welcome is None:
        return None
    assert dialer.answer(welcome[0]) is None
    return welcome[1]


def test_an_introduction_binds_secret_numbers_and_address() -> None:
    listener = Listener(SECRET, 1, 3, "tcp://a:1")
    assert introduce(Dialer(SECRET, 2, 1, 3, "tcp://a:1"), listener) == 2
    assert introduce(Dialer(b"x" * 32, 2, 1, 3, "tcp://a:1"), listener) is None
    assert introduce(Dialer(SECRET, 2, 1, 3, "tcp://b:1"), listener) is None
    for me, to, nodes in ((2, 0, 3), (1, 1, 3), (3, 1, 3), (-1, 1, 3), (2, 1, 4)):
        assert listener.answer(b"c", Dialer(SECRET, me, to, nodes, "tcp://a:1").hello) is None


def test_a_proof_is_worth_nothing_elsewhere() -> None:
    listener, dialer = Listener(SECRET, 1, 3, "tcp://a:1"), Dialer(SECRET, 2, 1, 3, "tcp://a:1")
    challenge = listener.answer(b"c", dialer.hello)
    assert challenge is not None
    proof = dialer.answer(challenge[0])
    assert proof is not None
    assert SECRET not in proof
    assert listener.answer(b"another connection", proof) is None
    assert Listener(SECRET, 1, 3, "tcp://a:1").answer(b"c", proof) is None
    reflected = proof[-32:]
    with pytest.raises(ValueError, match="secret"):
        dialer.answer(reflected)
    with pytest.raises(ValueError, match="challenge"):
        Dialer(SECRET, 2, 1, 3, "tcp://a:1").answer(b"short")
