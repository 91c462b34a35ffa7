"""Requests no client should send: random bytes, truncated HTTP, wrong verbs, huge queries, broken frames. Seeded."""

from __future__ import annotations

import base64
import contextlib
import os
import random
import socket
import struct
from collections.abc import Callable
from urllib.parse import urlencode

VERBS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW")
PATHS = (
    "/api/v3/order", "/api/v3/account", "/api/v3/exchangeInfo", "/api/v3/klines", "/api/v3/nothing", "/api/v3/", "/api",
    "/ws-api/v3", "/ws/btcusdt@trade", "/stream", "/", "/api/v3/../../etc/passwd", "/api/v3/depth", "/ws/" + "x/" * 500,
)  # fmt: skip

NAMES = (
    "symbol", "symbols", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId",
    "timestamp", "recvWindow", "signature", "limit", "interval", "startTime", "endTime", "fromId", "orderId",
)  # fmt: skip
VALUES = (
    "", "-1", "1e9", "NaN", "9" * 40, "0", "1", "0.00000001", "99999999999999999999", "true", "[]", '["BTCUSDT"]', "{}",
    "null", "\x00", "１２", "btc", "MARKET", "SELL", "1m", "1000", "9223372036854775807", "1.123456789", "BTCUSDT",
)  # fmt: skip


def throw(host: str, port: int, count: int, seed: int) -> int:
    """Send `count` garbage requests, each on a connection of its own; returns how many were sent."""
    rng = random.Random(seed)
    for _ in range(count):
        make = rng.choice(_KINDS)
        with socket.create_connection((host, port), timeout=5) as connection, contextlib.suppress(OSError):
            connection.sendall(make(rng))
            # What is complete is answered; what is truncated waits for its rest and is left alone.
            connection.settimeout(0.05)
            while connection.recv(65536):
                pass
    return count


def _noise(rng: random.Random) -> bytes:
    return rng.randbytes(rng.randint(0, 4000))


def _text(rng: random.Random, length: int) -> str:
    return "".join(rng.choice("abcXYZ0189%&=?/\\'\"<>{}[]();:,._-+~ü") for _ in range(length))


def _request(rng: random.Random, path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"{rng.choice(VERBS)} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def _bad_json(rng: random.Random) -> bytes:
    return _request(rng, rng.choice(PATHS), b'{"symbol": ' + rng.randbytes(50), "Content-Type: application/json")


def _wrong_verb(rng: random.Random) -> bytes:
    return _request(rng, rng.choice(PATHS), b"", "X-MBX-APIKEY: \x7f" + "k" * rng.randint(0, 90))


def _huge_query(rng: random.Random) -> bytes:
    return _request(rng, f"{rng.choice(PATHS)}?a={'x' * rng.randint(5_000, 50_000)}", b"")


def _odd_query(rng: random.Random) -> bytes:
    return _request(rng, f"{rng.choice(PATHS)}?{_text(rng, 200)}".replace(" ", ""), _text(rng, 300).encode())


def odd_params(rng: random.Random) -> dict[str, str]:
    """Real parameter names, some with a value that makes sense, most with one that does not."""
    sense = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "9"}
    return {
        name: sense[name] if name in sense and rng.random() < 0.7 else rng.choice(VALUES)
        for name in rng.sample(NAMES, rng.randint(1, 10))
    }


def _odd_params(rng: random.Random) -> bytes:
    """Well-formed HTTP and real parameter names, with values nobody should send."""
    pairs = odd_params(rng)
    return _request(rng, f"{rng.choice(PATHS[:5])}?{urlencode(pairs)}", urlencode(pairs).encode(), "X-MBX-APIKEY: nobody")


def _truncated(rng: random.Random) -> bytes:
    whole = _request(rng, rng.choice(PATHS), b"symbol=BTCUSDT&side=BUY")
    return whole[: rng.randint(1, len(whole) - 1)]


def _lying_length(rng: random.Random) -> bytes:
    length = rng.choice(("-5", "99", "x", "9" * 30))
    return f"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nab".encode()


def _huge_header(rng: random.Random) -> bytes:
    return _request(rng, "/api/v3/ping", b"", "X-Odd: " + "y" * rng.randint(9_000, 90_000))


def _chunks(rng: random.Random) -> bytes:
    return b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + rng.randbytes(40)


def _frames(rng: random.Random) -> bytes:
    """A WebSocket handshake that is right, then frames that are not."""
    key = base64.b64encode(os.urandom(16)).decode()
    path = rng.choice(("/ws-api/v3", "/ws/btcusdt@trade", "/stream?streams=a/b"))
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade"]
    hello = "\r\n".join([*lines, f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""])
    bodies = (rng.randbytes(30), b"[[[[", b'{"id":1}', b"{" * 900, _text(rng, 60).encode(), b"\xff\xfe")
    sent = b"".join(_frame(rng, rng.choice(bodies)) for _ in range(4))
    return hello.encode() + sent + rng.randbytes(rng.randint(0, 50))


def _frame(rng: random.Random, body: bytes) -> bytes:
    mask = rng.randbytes(4)
    head = bytes([0x80 | rng.choice((1, 1, 1, 2, 9, 11))])
    length = bytes([0x80 | len(body)]) if len(body) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(body))
    return head + length + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(body))


_KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    _odd_params, _odd_params, _noise, _bad_json, _wrong_verb, _huge_query, _odd_query, _truncated, _lying_length,
    _huge_header, _chunks, _frames,
)  # fmt: skip
