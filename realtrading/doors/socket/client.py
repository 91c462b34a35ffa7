"""Whoever asks the running daemon: one request, one answer. Imports little, for a person waits."""
from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path
from typing import Any

from realtrading.errors import BadInput

from .place import address_in, peer_of
from .protocol import ANSWER_MAX, EXIT_NOT_REACHABLE, FILE, Lines, encoded, opened

ANSWER_S = 5.0


class NotReachable(BadInput):
    """Nobody listens there, or it does not answer. `silent`: somebody does listen."""

    def __init__(self, message: str, *, silent: bool = False) -> None:
        super().__init__(message, exit_code=EXIT_NOT_REACHABLE)
        self.silent = silent


def ask(folder: Path, command: str, arguments: dict[str, Any] | None = None, timeout_s: float = ANSWER_S) -> dict[str, Any]:
    """The daemon's answer. Raises `NotReachable`, or `BadInput` with the daemon's own refusal and exit code."""
    with _connected(folder, timeout_s) as connection:
        pid = peer_of(connection).pid
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # turned away: the reason waits to be read
                connection.sendall(encoded({"command": command, "arguments": arguments or {}}))
            line = Lines(connection).next(ANSWER_MAX, timeout_s)
        except TimeoutError:
            raise NotReachable(f"the engine (pid {pid}) did not answer within {timeout_s:g} s", silent=True) from None
        except OSError:
            line = None
    if line is None:
        raise NotReachable(f"the engine (pid {pid}) ended while it was asked", silent=True)
    said = opened(line)
    if said.get("ok") is not True:
        raise BadInput(str(said.get("error")), exit_code=int(said.get("exit_code", 1)))
    answer: dict[str, Any] = said["answer"]
    return answer


def _connected(folder: Path, timeout_s: float) -> socket.socket:
    """A connection to whoever listens in this folder."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        held = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(address_in(held))
        finally:
            os.close(held)
    except OSError as failure:
        connection.close()
        where = folder / FILE
        if failure.errno in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED):
            raise NotReachable(f"the engine is not running: nobody listens at {where}") from None
        if failure.errno in (errno.EACCES, errno.EPERM):
            raise NotReachable(f"only the engine's own user and root may ask it at {where}") from None
        raise NotReachable(f"the engine does not answer at {where}: {failure.strerror or failure}", silent=True) from None
    return connection
