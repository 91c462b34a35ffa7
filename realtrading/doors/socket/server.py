"""The daemon's end of the socket: threads of its own, so that whoever is slow or rude there never touches trading."""
from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realtrading.errors import BadInput, RealTradingError
from realtrading.runtime.words import in_one_line

from .place import Peer, address_in, peer_of, take
from .protocol import EXIT_REFUSED, EXIT_USAGE, FILE, REQUEST_MAX, Lines, Request, encoded, request_of

log = logging.getLogger("realtrading.door")

CONNECTIONS_MAX = 8
BACKLOG = 8
LINE_S = 5.0
ANSWER_S = 5.0
"""How long a client may take to ask, and to take what it asked for."""

CLOSE_S = 5.0
EXIT_INTERNAL = 1

Answerer = Callable[[Request, Peer, threading.Event], dict[str, Any]]
"""What does the work: request, who asks, and the event that says the door is being closed."""


class Door:
    """Listens from its making until `close`."""

    def __init__(
        self,
        folder: Path,
        answer: Answerer,
        *,
        credentials: Callable[[socket.socket], Peer] = peer_of,
        line_s: float = LINE_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        """Raises `BadInput` when the folder cannot be had or another daemon has it."""
        self.path = folder / FILE
        self._answer = answer
        self._credentials = credentials
        self._line_s, self._answer_s = line_s, answer_s
        self._closing = threading.Event()
        self._clients: list[tuple[socket.socket, threading.Thread]] = []  # the listening thread's, until it has ended
        self._held = take(folder)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(address_in(self._held))
            os.chmod(FILE, 0o600, dir_fd=self._held)  # nobody could come through the folder meanwhile
            self._listener.listen(BACKLOG)
        except BaseException:
            self._listener.close()
            os.close(self._held)
            raise
        self._thread = threading.Thread(target=self._listen, name="door", daemon=True)
        self._thread.start()

    def close(self) -> bool:
        """Listen no more, cut who is connected, remove the file; True if every thread is gone. Idempotent."""
        if self._closing.is_set():
            return not self._thread.is_alive()
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        deadline_mono = time.monotonic() + CLOSE_S
        self._thread.join(CLOSE_S)
        threads = [self._thread]
        for connection, thread in self._clients:
            threads.append(thread)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(max(0.0, deadline_mono - time.monotonic()))
        self._listener.close()
        with contextlib.suppress(OSError):
            os.unlink(FILE, dir_fd=self._held)
        os.close(self._held)
        return not any(thread.is_alive() for thread in threads)

    # -- its threads ----------------------------------------------------------

    def _listen(self) -> None:
        """Let in who may come in, a few at a time."""
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError as failure:
                if not self._closing.is_set():
                    log.warning("a connection could not be taken: %s", in_one_line(failure))
                    self._closing.wait(0.1)  # out of descriptors: do not spin
                continue
            try:
                self._let_in(connection)
            except (OSError, RuntimeError) as failure:
                log.warning("a connection was dropped: %s", in_one_line(failure))
                connection.close()

    def _let_in(self, connection: socket.socket) -> None:
        self._clients = [client for client in self._clients if client[1].is_alive()]
        peer = self._credentials(connection)
        if peer.uid not in (os.geteuid(), 0):
            log.warning("uid %d (pid %d) is not let in", peer.uid, peer.pid)
            self._turn_away(connection, "only the engine's own user and root may ask")
        elif len(self._clients) >= CONNECTIONS_MAX:
            self._turn_away(connection, f"{CONNECTIONS_MAX} are asking already; try again")
        else:
            thread = threading.Thread(target=self._serve, args=(connection, peer), name="door-client", daemon=True)
            thread.start()
            self._clients.append((connection, thread))

    def _turn_away(self, connection: socket.socket, why: str) -> None:
        """One sentence if it can be said at once, and the end."""
        with contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.send(encoded(_failed(why, EXIT_REFUSED)))
        connection.close()

    def _serve(self, connection: socket.socket, peer: Peer) -> None:
        """Answer one client's lines until it goes, is too slow, or says what is no request."""
        try:
            lines = Lines(connection)
            while not self._closing.is_set() and self._serve_one(connection, lines, peer):
                continue
        except OSError as gone:  # its silence, its end, or ours
            log.debug("pid %d: %s", peer.pid, in_one_line(gone))
        finally:
            connection.close()

    def _serve_one(self, connection: socket.socket, lines: Lines, peer: Peer) -> bool:
        """One line in, one line out; False when no more can be understood from this client."""
        try:
            line = lines.next(REQUEST_MAX, self._line_s)
            if line is None:
                return False
            request = request_of(line)
        except BadInput as wrong:
            self._send(connection, _failed(str(wrong), EXIT_USAGE))
            return False
        self._send(connection, self._answered(request, peer))
        return True

    def _answered(self, request: Request, peer: Peer) -> dict[str, Any]:
        try:
            return {"ok": True, "answer": self._answer(request, peer, self._closing)}
        except BadInput as wrong:
            return _failed(str(wrong), wrong.exit_code)
        except RealTradingError as failure:
            return _failed(f"{type(failure).__name__}: {failure}", EXIT_INTERNAL)
        except Exception as failure:  # a mistake of ours in a read must not end the door
            log.exception("%s failed", request.command)
            return _failed(f"{type(failure).__name__}: {failure}", EXIT_INTERNAL)

    def _send(self, connection: socket.socket, said: dict[str, Any]) -> None:
        """Send it whole in time, or raise `OSError`: who does not take what he asked for is cut."""
        connection.settimeout(self._answer_s)
        connection.sendall(encoded(said))


def _failed(error: str, exit_code: int) -> dict[str, Any]:
    return {"ok": False, "error": error, "exit_code": exit_code}
