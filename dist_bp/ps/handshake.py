"""How two servers prove to each other that they know the run's secret, without saying it.

    dialer -> listener   hello: both node numbers and a nonce
    listener -> dialer   challenge: a nonce of its own
    dialer -> listener   proof: the hello again and MAC(dialer, ...)
    listener -> dialer   welcome: MAC(listener, ...)

Each MAC is HMAC-SHA256 (RFC 2104) by the secret over its sender's role, both node numbers, both nonces and the
listener's address with its public key, so that none of them is of use in another place, direction or connection.
A listener remembers nothing of a connection before the proof: strangers take no memory.
"""

import hmac
import os
import struct

_HELLO = struct.Struct("<12siiI32s")
_MAGIC = b"dist_bp/ps/1"
_DIALER, _LISTENER = b"dialer", b"listener"
NONCE = MAC = 32
LONGEST = _HELLO.size + MAC
"""Bytes of the longest message of an introduction."""


class Dialer:
    """The side of node `me` that connects to the listener at `address` on node `to`."""

    def __init__(self, secret: bytes, me: int, to: int, nodes: int, address: str) -> None:
        self._secret = secret
        self._address = address.encode()
        self.hello = _HELLO.pack(_MAGIC, me, to, nodes, os.urandom(NONCE))
        self._challenge = b""

    def answer(self, message: bytes) -> bytes | None:
        """What to send after a message of the listener; None: it is the valid welcome. Raises ValueError otherwise."""
        if not self._challenge:
            if len(message) != NONCE:
                raise ValueError("not a challenge")
            self._challenge = message
            return self.hello + self._mac(_DIALER)
        if not hmac.compare_digest(message, self._mac(_LISTENER)):
            raise ValueError("not the run's secret")
        return None

    def _mac(self, role: bytes) -> bytes:
        return _mac(self._secret, role, self.hello, self._challenge, self._address)


class Listener:
    """The side of node `me` that others connect to at `address`."""

    def __init__(self, secret: bytes, me: int, nodes: int, address: str) -> None:
        self._secret = secret
        self._me, self._nodes = me, nodes
        self._address = address.encode()
        self._key = os.urandom(32)

    def answer(self, connection: bytes, message: bytes) -> tuple[bytes, int | None] | None:
        """The answer to a message of `connection`, a name that no other ever has; None: it is a stranger's.

        With the answer comes the node that has proved itself by the message, if it was a proof.
        """
        if len(message) not in (_HELLO.size, LONGEST):
            return None
        hello, mac = message[: _HELLO.size], message[_HELLO.size :]
        magic, node, to, nodes, _ = _HELLO.unpack(hello)
        if (magic, to, nodes) != (_MAGIC, self._me, self._nodes) or node == to or not 0 <= node < nodes:
            return None
        challenge = hmac.digest(self._key, connection + hello, "sha256")
        if not mac:
            return challenge, None
        if not hmac.compare_digest(mac, _mac(self._secret, _DIALER, hello, challenge, self._address)):
            return None
        return _mac(self._secret, _LISTENER, hello, challenge, self._address), node


def _mac(secret: bytes, role: bytes, hello: bytes, challenge: bytes, address: bytes) -> bytes:
    return hmac.digest(secret, b"\0".join((role, hello + challenge, address)), "sha256")
