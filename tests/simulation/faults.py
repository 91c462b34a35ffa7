"""The names of all faults the nemesis knows, and what becomes of one request."""

from typing import Any

import attrs

REQUEST_FAULTS = (
    "lost_there", "lost_back", "reset", "unknown_after", "unknown_before", "slow_engine", "slow_net", "never_leaves", "html",
    "redirect", "too_late",
)  # fmt: skip
"""What may become of a request."""

EVENT_FAULTS = ("event_lost", "event_doubled", "event_swapped", "event_late", "event_garbled")
"""What may become of an event of the user stream."""

ACTS = (
    "stream_cut", "stream_ended", "mute", "quote_cut", "no_connections", "ban", "ban_418",
    "crash", "poison", "poison_twice", "poison_often", "hang", "dies_in_commit", "restart", "slow_actor",
    "stall", "kill", "kill_after_commit", "kill_twice", "torn_journal", "old_journal", "disk_full", "slow_fsync",
    "clock", "query_lag",
    "foreign_trade", "foreign_order", "hand_cancel", "deposit", "withdraw", "transfer",
    "dust", "convert", "raid", "over_fill",
)  # fmt: skip
"""What the nemesis does by itself, people at the same account included."""

FAULTS = (*REQUEST_FAULTS, *EVENT_FAULTS, *ACTS)

UNKNOWN_BODIES: tuple[tuple[int, Any], ...] = (
    (503, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
    (500, {"code": -1000, "msg": "An unknown error occurred."}),
    (400, {"code": -1006, "msg": "An unexpected response was received from the message bus."}),
    (502, b"<html>Bad Gateway</html>"),
    (504, b""),
)


@attrs.define
class Fate:
    """What becomes of one request; seconds."""

    there_s: float
    back_s: float
    never_leaves: bool = False
    lost_there: bool = False
    lost_back: bool = False
    reset_s: float | None = None
    refused: tuple[int, Any] | None = None
    answer: tuple[int, Any] | None = None
    inside_s: float = 0.0
