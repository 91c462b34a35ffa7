"""What one row of ACTORS says: who the actor is, which desk serves it, and what is done when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from realtrading.runtime.actor import Actor

SHARED_DESKS = frozenset({"money", "journal", "listen", "wire"})

Receiver = str | Callable[[object], Iterable[str]]
"""Who hears a message: an actor's name, or a function from the message to names (for routing by key)."""


class FaultKind(Enum):
    """The ways an actor can be made to fail on purpose (`House.inject`)."""

    EXCEPTION = "exception"
    SYSTEM_EXIT = "system_exit"
    CANCELLED = "cancelled"
    FAILS_TO_START = "fails_to_start"
    DEAD_THREAD = "dead_thread"
    HANG = "hang"


@attrs.frozen
class Budget:
    """How many restarts an actor may use within a sliding window of seconds before the house gives up on it."""

    restarts: int = attrs.field(default=3, validator=attrs.validators.ge(0))
    within_s: float = attrs.field(default=60.0, validator=attrs.validators.gt(0))


def _desk_is_known(_: ActorSpec, __: attrs.Attribute[str], value: str) -> None:
    if value not in SHARED_DESKS and not (value.startswith("own:") and len(value) > len("own:")):
        raise ValueError(f"desk {value!r} is none of {sorted(SHARED_DESKS)} and not 'own:NAME'")


@attrs.frozen
class ActorSpec:
    """One row of ACTORS.

    `make` builds a fresh, not yet started actor for each incarnation; it runs on the desk's own thread.
    `desk`: "money", "journal", "listen" (one thread each, serving many mailboxes), "wire" (an asyncio loop thread)
    or "own:NAME".
    `critical`: its silence makes the house unhealthy and its spent budget ends the process; others are only tried
    again later.
    `budget`: restarts allowed before that. `tick_s`: seconds between `Tick`s, None for none. `hang_s`: longest time
    one letter may take.
    `retry_letter`: the successor tries the failed letter once more (pure keepers); False for hands, whose letter is
    set aside at once.
    `soft_cap`: waiting letters at which `Backlog` is reported; with `drop_oldest` the oldest are dropped there and
    `Missed(n)` is handled first.
    `hard_cap`: waiting letters at which the house escalates (critical) or refuses newcomers (others).
    `batch_max` above 1: the actor implements `handle_batch` and gets up to so many letters for one commit.
    `fatal`: there is no successor; its death freezes the house and calls `on_fatal`.
    """

    name: str = attrs.field(validator=attrs.validators.min_len(1))
    make: Callable[[], Actor]
    desk: str = attrs.field(validator=_desk_is_known)
    critical: bool = True
    budget: Budget = attrs.field(factory=Budget)
    tick_s: float | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.gt(0)))
    hang_s: float = attrs.field(default=2.0, validator=attrs.validators.gt(0))
    retry_letter: bool = True
    soft_cap: int = 10_000
    hard_cap: int = 100_000
    drop_oldest: bool = False
    batch_max: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    fatal: bool = False
