"""Which cluster a command means, and the token for it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dist_bp.errors import SubmitError
from dist_bp.submit.state import Head, read_head
from dist_bp.typed import command

LOOPBACK = ("127.0.0.1", "localhost", "::1")
UP = ("cluster", "up")
VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")


@dataclass(frozen=True)
class Dashboard:
    """A cluster's dashboard (http://host:port without a slash at the end), and the token with where it comes from."""

    address: str
    token: str | None = None
    token_source: str = "nobody"
    head: Head | None = None
    """The head that `dist-bp cluster up` started, if the address is its."""

    @property
    def is_own_head(self) -> bool:
        return self.head is not None

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.address).hostname in LOOPBACK


def find_dashboard(address: str | None, environment: Mapping[str, str] = os.environ) -> Dashboard:
    """The cluster at `address`; without one the local head of `cluster up`, else that of Ray's variables.

    Raises SubmitError where there is none, or the address is not one of a dashboard.
    """
    head = read_head()
    if address is None and head is not None:
        address = head.address
    address = address or next((environment[name] for name in VARIABLES if environment.get(name)), None)
    if address is None:
        raise SubmitError(
            f"no cluster: start a local one with {command(*UP)}, or give the address of a Ray dashboard "
            f"with --address http://HOST:8265 (or {VARIABLES[0]})"
        )
    address = _normal(address)
    own = head if head and _same(address, head.address) else None
    token, source = _token(own, environment)
    return Dashboard(address, token, source, own)


def _normal(address: str) -> str:
    url = address.rstrip("/") if "://" in address else f"http://{address.rstrip('/')}"
    parts = urlsplit(url)
    try:
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # the port is no number
        right = False
    if not right or address == "auto":
        raise SubmitError(f"--address {address}: give the address of a Ray dashboard, such as http://HOST:8265")
    return url


def _same(one: str, other: str) -> bool:
    a, b = urlsplit(one), urlsplit(other)
    return a.port == b.port and {a.hostname, b.hostname} <= set(LOOPBACK)


def _token(head: Head | None, environment: Mapping[str, str]) -> tuple[str | None, str]:
    """The user's token as Ray looks for it, else that of the local head."""
    if token := environment.get("RAY_AUTH_TOKEN"):
        return token.strip(), "RAY_AUTH_TOKEN"
    if path := environment.get("RAY_AUTH_TOKEN_PATH"):
        return _read(Path(path)), f"RAY_AUTH_TOKEN_PATH ({path})"
    if head:
        return _read(head.token_path), f"the local head ({head.token_path})"
    default = Path.home() / ".ray" / "auth_token"
    if environment.get("RAY_AUTH_MODE") == "token" and default.exists():
        return _read(default), str(default)
    return None, "nobody"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SubmitError(f"the token file {path} cannot be read: {error.strerror}") from error
