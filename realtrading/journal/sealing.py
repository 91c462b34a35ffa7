"""Checksums: a record's own, the chain through all records, and the digest of the whole current state.

The state's digest is the exclusive-or of its rows' SHA-256, so one changed row costs two hashes and never a walk over
all rows. It guards against accidents (a lost, stale, doubled or altered row), not against somebody who computes hashes
on purpose.
"""

from __future__ import annotations

import hashlib
import zlib

import attrs

START_OF_CHAIN = bytes(32)
EMPTY_STATE = 0


@attrs.frozen
class Sealed:
    """The columns of one `events` row, in the table's order."""

    seq: int
    run: int
    letter_seq: int
    cause: int | None
    sender: str
    type: str
    at: str
    order_id: str | None
    payload: str
    state: bytes
    crc: int
    chain: bytes

    def body(self) -> bytes:
        """What checksum and chain are taken of."""
        facts = (self.seq, self.run, self.letter_seq, self.cause, self.sender, self.type, self.at, self.order_id)
        return event_body(*facts, self.payload, self.state)


def event_body(
    seq: int,
    run: int,
    letter_seq: int,
    cause: int | None,
    sender: str,
    type_: str,
    at: str,
    order_id: str | None,
    payload: str,
    state: bytes,
) -> bytes:
    """One spelling of a record for checksum and chain; the payload is JSON, so it holds no unit separator of its
    own.
    """
    head = f"{seq}\x1f{run}\x1f{letter_seq}\x1f{cause}\x1f{sender}\x1f{type_}\x1f{at}\x1f{order_id}\x1f{payload}\x1f"
    return head.encode("utf-8", "surrogateescape") + state


def crc(body: bytes) -> int:
    """CRC-32 of a record: tells an altered record from an intact one whose neighbour is missing."""
    return zlib.crc32(body)


def link(previous: bytes, body: bytes) -> bytes:
    """The chain's next value."""
    return hashlib.sha256(previous + body).digest()


def checksum(*parts: str | int) -> int:
    """CRC-32 of a small row."""
    return zlib.crc32(_joined(parts))


def row_digest(table: str, key: str, value: str, seq: int) -> int:
    """One row's part in the state's digest."""
    return int.from_bytes(hashlib.sha256(_joined((table, key, value, seq))).digest())


def state_bytes(state: int) -> bytes:
    """The state's digest as it is stored."""
    return state.to_bytes(32)


def _joined(parts: tuple[str | int, ...]) -> bytes:
    return "\x1f".join(map(str, parts)).encode("utf-8", "surrogateescape")
