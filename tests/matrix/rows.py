"""The rows of the fault matrix: what is injected, which invariants must be evaluated then, and what later work owns."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class Row:
    """One fault. `needs` are the invariants its tests must evaluate; `owner` says which later work will test it."""

    id: str
    fault: str
    needs: frozenset[str]
    owner: str = ""
    later: Mapping[str, str] = attrs.field(factory=dict)
    """Invariant -> the work that builds what it is about; until then it cannot be evaluated."""


STOPS = "issue 4"
"""It puts protective orders at the exchange, which is all that G9 is about."""


def _row(name: str, fault: str, needs: str, *, owner: str = "") -> Row:
    wanted = frozenset(needs.split())
    return Row(name, fault, wanted - {"G9"}, owner, {"G9": STOPS} if "G9" in wanted else {})


ROWS: tuple[Row, ...] = (
    _row("A1", "an exception in every actor and message type", "G1 G2 G3 G4 G5 G6"),
    _row("A2", "an exception after the change of state, before its effects", "G3 G7 G8"),
    _row("A3", "an exception in on_start, three times and for ever", "G14"),
    _row("A4", "SystemExit, CancelledError, KeyboardInterrupt in a handler", "G13"),
    _row("A5", "MemoryError, RecursionError, JSON nested 100,000 deep", "G8"),
    _row("A6", "a handler that hangs: a loop, a lock, a C call that holds the GIL", "G9 G10"),
    _row("A7", "an actor ten times slower", "G18"),
    _row("A8", "an actor that dies while a letter is being put", "G8"),
    _row("A9", "the supervisor itself crashes", "G10"),
    _row("A10", "a storm of restarts of a stream's actor", "G9 G13"),
    _row("A11", "the system gives no thread", "G13"),
    _row("B1", "kill -9 at every journal write and fsync", "G1 G2 G3 G4 G5 G6 G7 G8"),
    _row("B2", "kill -9 between journal and wire", "G1 G2"),
    _row("B3", "kill -9 between wire and answer, between answer and journal", "G1 G3"),
    _row("B4", "kill -9 during recovery, five deep", "G7"),
    _row("B5", "power loss: writes that were not synced are lost or reordered", "G2 G8"),
    _row("B6", "a torn or truncated tail", "G7"),
    _row("B7", "a flipped bit anywhere", "G7"),
    _row("B8", "an old copy of the journal is restored", "G1 G12"),
    _row("B9", "no space at the k-th write, a full disk", "G8 G10"),
    _row("B10", "EIO at fsync, once and for ever", "G8"),
    _row("B11", "an fsync that takes 2 s", "G9 G17"),
    _row("B12", "a read-only disk, wrong permissions, a wrong owner", "G15"),
    _row("B13", "SIGTERM at any moment", "G1 G8"),
    _row("B14", "SIGSTOP, then SIGCONT", "G1 G12"),
    _row("B15", "killed for its memory", "G1 G2 G3 G4 G5 G6 G7 G8"),
    _row("B16", "two instances on one host", "G12"),
    _row("B17", "two hosts, the lease is lost", "G1 G12", owner="no issue yet: it needs a store that two hosts share"),
    _row("B18", "no file descriptors, no threads", "G13"),
    _row("B19", "upgrade and downgrade of the schema", "G7"),
    _row("C1", "5xx, and the order was accepted", "G1 G3 G5"),
    _row("C2", "5xx, and the order was not accepted", "G1"),
    _row("C3", "no answer in time: accepted, not accepted, accepted 8 s later", "G1 G5"),
    _row("C4", "reset before, within and after the request; half an answer; byte by byte", "G1"),
    _row("C5", "-1007, -1006, -1000, -1001, -1008, accepted or not", "G1"),
    _row("C6", "-2013 for 1 to 10 s about an order that lives", "G1"),
    _row("C7", "a client id that the exchange would accept again", "G1"),
    _row("C8", "429 and 418 with Retry-After, a jump of the weight", "G11"),
    _row("C9", "403 with HTML, 200 with HTML, an empty body, gzip garbage", "G16"),
    _row("C10", "-1021, and a request that came after its window", "G17"),
    _row("C11", "307 and 302, to another host too", "G15"),
    _row("C12", "TLS: expired, wrong name, unknown issuer, downgrade", "G15"),
    _row("C13", "no name service, a wrong address, a slow resolver", "G13"),
    _row("C14", "maintenance; a symbol in BREAK, HALT or CANCEL_ONLY", "G9 G10"),
    _row("C15", "the symbol's rules change under way", "G16"),
    _row("C16", "-2015: the key was revoked", "G10"),
    _row("C17", "409: one leg of two was done", "G1"),
    _row("C18", "insufficient balance, though the books say enough", "G4"),
    _row("D1", "reports told up to ten times", "G3"),
    _row("D2", "reports out of order", "G3 G6"),
    _row("D3", "one report dropped, all reports dropped", "G3 G4"),
    _row("D4", "a field of a report corrupted", "G6 G16"),
    _row("D5", "a stream that lives and is silent", "G9 G13"),
    _row("D6", "half-open TCP", "G3"),
    _row("D7", "fills while the stream was away; serverShutdown; eventStreamTerminated; 24 h", "G3"),
    _row("D8", "a storm of events, a queue that overflows", "G18"),
    _row("D9", "malformed, huge, deep, doubled, unknown payloads", "G16"),
    _row("D10", "answer and report race", "G3"),
    _row("D11", "partial fill against cancel; a fill after the cancel was confirmed", "G3 G6"),
    _row("D12", "a report about an order of somebody else", "G4 G5"),
    _row("D13", "withdrawal, deposit, transfer, dust, fees in BNB", "G4"),
    _row("D14", "self-trade prevention, EXPIRED_IN_MATCH", "G6"),
    _row("F1", "the wall clock jumps or drifts", "G17"),
    _row("F2", "the process stands still", "G12"),
    _row("F3", "stale, crossed, zero-size and outlying prices", "G5"),
    _row("F4", "huge, tiny, negative, full-width and 40-digit numbers", "G16"),
    _row("F5", "unicode, control characters, log injection", "G15"),
    _row("F6", "a bad configuration file", "G5 G10"),
    _row("F7", "the kill switch while orders are unknown, twice, during a restart", "G10", owner="issue 4"),
    _row("F8", "a slow or dead scraper, a blocked log pipe", "G9", owner="issue 5"),
    _row("F9", "abuse of the control API", "G15", owner="issue 5"),
    _row("F10", "10,000 identical intents", "G5 G11"),
    _row("F11", "a protective stop rejected, cancelled or expired", "G9", owner="issue 4"),
    _row("F12", "three faults at once", "G1 G2 G3 G4 G5 G6 G7 G10 G13 G16"),
)


def here() -> tuple[Row, ...]:
    """The rows that this project's tests must cover now."""
    return tuple(row for row in ROWS if not row.owner)
