"""The end of an event loop: nothing that was connected on it stays connected."""

import asyncio
import socket

from realtrading.runtime.wire import _clean_up


def test_a_connection_nobody_closed_is_cut() -> None:
    """A transport that still stands when its loop ends is closed with it: the peer reads the end."""
    ours, theirs = socket.socketpair()
    loop = asyncio.new_event_loop()
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=ours))
    transport.write(b"x" * 1_000_000)  # more than the peer has read: a polite end would wait for it

    _clean_up(loop)

    assert loop.is_closed()
    assert ours.fileno() == -1
    with theirs:
        theirs.settimeout(5)
        while theirs.recv(65536):
            continue
