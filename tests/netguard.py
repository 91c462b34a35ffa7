"""Keeps tests off the network: a socket call that leaves the loopback raises, and is remembered.

Network code tends to swallow errors and try again, so `touched` keeps what was attempted for conftest.py to fail on.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

MARK = "test touched the network"

touched: list[str] = []


class NetworkTouched(AssertionError):
    """A test reached for an address that is not on the loopback."""


def _is_loopback(host: object) -> bool:
    text = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host)
    if text == "localhost":
        return True
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(call: str, target: object) -> None:
    touched.append(f"{call} {target!r}")
    raise NetworkTouched(f"{MARK}: {call} {target!r}")


def _guarded_method(name: str) -> Callable[..., Any]:
    original = getattr(socket.socket, name)

    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1] if args else None
        is_internet = self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple)
        if is_internet and not _is_loopback(address[0]):
            _refuse(name, address)
        return original(self, *args)

    return guarded


def _guarded_lookup(name: str) -> Callable[..., Any]:
    original = getattr(socket, name)

    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        # no host at all means loopback, unless it is asked for to listen on: then it means every interface
        flags = kwargs.get("flags", args[4] if len(args) > 4 else 0)
        if not (_is_loopback(host) or (host is None and not flags & socket.AI_PASSIVE)):
            _refuse(name, host)
        return original(host, *args, **kwargs)

    return guarded


def install() -> None:
    """Guard this process until it ends; a second call changes nothing."""
    if getattr(socket, "_realtrading_guarded", False):
        return
    for name in ("connect", "connect_ex", "bind", "sendto"):
        setattr(socket.socket, name, _guarded_method(name))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        setattr(socket, name, _guarded_lookup(name))
    setattr(socket, "_realtrading_guarded", True)  # noqa: B010 - mypy knows no such attribute
