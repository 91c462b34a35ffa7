"""A TCP proxy on the loopback between an engine and the simulator: it cuts, tears, slices, answers itself, speaks TLS."""

import contextlib
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST
CHUNK = 65_536

Toxic = Callable[["Talk", bytes], bool]
"""What to do with one whole request: True if the connection goes on afterwards."""


def reset(sock: socket.socket) -> None:
    """Close without a good-bye: the peer gets a reset."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    close(sock)


def close(sock: socket.socket) -> None:
    """Close and wake whoever reads from it."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class Talk:
    """One connection of a client, and the one to the simulator that belongs to it."""

    def __init__(self, client: socket.socket, upstream: socket.socket) -> None:
        self.client = client
        self.upstream = upstream

    def answer(self) -> bytes:
        """One whole HTTP answer of the simulator."""
        return whole(self.upstream, b"")

    def end(self) -> None:
        """Reset both."""
        reset(self.client)
        reset(self.upstream)


def whole(sock: socket.socket, began: bytes) -> bytes:
    """One HTTP message with a Content-Length (or none), of which `began` has been read already."""
    data = began
    while b"\r\n\r\n" not in data:
        data += received(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        more = received(sock)
        data, body = data + more, body + more
    return data


def received(sock: socket.socket) -> bytes:
    """Some bytes; raises ConnectionError at the end."""
    data = sock.recv(CHUNK)
    if not data:
        raise ConnectionError("it ended")
    return data


# -- toxics ------------------------------------------------------------------------------------------------------------


def reset_before(talk: Talk, request: bytes) -> bool:
    """The request is read and thrown away."""
    talk.end()
    return False


def reset_mid(talk: Talk, request: bytes) -> bool:
    """Half of the request reaches the simulator."""
    talk.upstream.sendall(request[: len(request) // 2])
    talk.end()
    return False


def reset_after(talk: Talk, request: bytes) -> bool:
    """All of it does, and the answer is thrown away."""
    talk.upstream.sendall(request)
    talk.answer()
    talk.end()
    return False


def half_answer(talk: Talk, request: bytes) -> bool:
    """Half of the answer comes back."""
    talk.upstream.sendall(request)
    answer = talk.answer()
    talk.client.sendall(answer[: len(answer) - len(answer.partition(b"\r\n\r\n")[2]) // 2])
    talk.end()
    return False


def byte_by_byte(talk: Talk, request: bytes) -> bool:
    """Nothing is lost, but everything comes in pieces of one byte."""
    talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    talk.upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for value in request:
        talk.upstream.send(bytes([value]))
    for value in talk.answer():
        talk.client.send(bytes([value]))
    return True


def says(status: str, headers: str = "", body: bytes = b"", *, forwards: bool = False) -> Toxic:
    """The client gets this answer; the simulator gets the request only with `forwards`."""

    def toxic(talk: Talk, request: bytes) -> bool:
        if forwards:
            talk.upstream.sendall(request)
            talk.answer()
        head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        talk.client.sendall(head.encode() + body)
        return True

    return toxic


# -- the proxy ---------------------------------------------------------------------------------------------------------


class Proxy:
    """Listens on a free port until `close`. `script` holds toxics for the next requests that begin with `matches`."""

    def __init__(self, target: str, *, tls: ssl.SSLContext | None = None, matches: bytes = b"POST /api/v3/order") -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self.tls = tls
        self.matches = matches
        self.script: deque[Toxic] = deque()
        self.saw: list[bytes] = []
        self.handshakes_failed = 0
        self._talks: list[Talk] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._begin(self._accept)

    def url(self, of: str) -> str:
        """The same address with this proxy's port, and the secure scheme if it speaks TLS."""
        parts = urlsplit(of)
        scheme = parts.scheme.replace("http", "https").replace("ws", "wss") if self.tls is not None else parts.scheme
        return parts._replace(scheme=scheme, netloc=f"127.0.0.1:{self.port}").geturl()

    def cut(self) -> None:
        """Reset every connection."""
        for talk in self._talks:
            talk.end()
        self._talks.clear()

    def close(self) -> None:
        """Listen no more and cut everything. Idempotent."""
        close(self._listener)
        self.cut()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(5)

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._quietly, args=(work,), daemon=True)
        self._threads.append(thread)
        thread.start()

    @staticmethod
    def _quietly(work: Callable[[], None]) -> None:
        with contextlib.suppress(OSError, ValueError):  # connections end in every way here
            work()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            self._begin(lambda client=client: self._serve(client))  # type: ignore[misc]

    def _serve(self, client: socket.socket) -> None:
        try:
            if self.tls is not None:
                client = self.tls.wrap_socket(client, server_side=True)
        except OSError:
            self.handshakes_failed += 1
            reset(client)
            raise
        upstream = socket.create_connection(self._target, timeout=30)
        talk = Talk(client, upstream)
        self._talks.append(talk)
        try:
            self._requests(talk)
        finally:
            talk.end()

    def _requests(self, talk: Talk) -> None:
        """Requests one by one, each with its answer, until the client asks for a WebSocket: then bytes both ways."""
        while True:
            request = whole(talk.client, received(talk.client))
            self.saw.append(request)
            if b"upgrade: websocket" in request.lower():
                talk.upstream.sendall(request)
                self._begin(lambda: self._pump(talk.upstream, talk.client))
                self._pump(talk.client, talk.upstream)
                return
            if self.script and request.startswith(self.matches):
                if not self.script.popleft()(talk, request):
                    return
                continue
            talk.upstream.sendall(request)
            talk.client.sendall(talk.answer())

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while True:
                sink.sendall(received(source))
        finally:
            close(source)
            close(sink)
