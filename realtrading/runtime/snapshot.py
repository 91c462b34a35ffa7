"""The house at one moment, for metrics and health: read, never asked."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from realtrading.runtime.mailbox import Mailbox
from realtrading.runtime.metrics import Family, HistogramValue, Kind

PREFIX = "realtrading_"


@attrs.frozen
class ActorSnapshot:
    """One actor now. `heartbeat_utc_s`: wall time in seconds of its last progress (now, if nothing waits)."""

    name: str
    alive: bool
    critical: bool
    epoch: int
    waiting: int
    busy_s: float | None
    overdue: bool
    handled: int
    dropped: int
    set_aside: int
    escalations: int
    heartbeat_utc_s: float
    failures: Mapping[str, int]
    restarts: Mapping[str, int]
    waits: HistogramValue
    durations: Mapping[str, HistogramValue]


def take_snapshot(mailbox: Mailbox, now_mono: float, now_utc_s: float) -> ActorSnapshot:
    """Read one mailbox's counters. Any thread; blocks nobody."""
    busy_since = mailbox.busy_since_mono
    busy_s = None if busy_since is None else max(0.0, now_mono - busy_since)
    waiting = mailbox.waiting()
    idle = mailbox.running and busy_s is None and waiting == 0
    silent_s = 0.0 if idle else max(0.0, now_mono - mailbox.heartbeat_mono)
    return ActorSnapshot(
        name=mailbox.name,
        alive=mailbox.running,
        critical=mailbox.spec.critical,
        epoch=mailbox.epoch,
        waiting=waiting,
        busy_s=busy_s,
        overdue=busy_s is not None and busy_s > mailbox.spec.hang_s,
        handled=mailbox.handled,
        dropped=mailbox.dropped,
        set_aside=mailbox.set_aside,
        escalations=mailbox.escalations,
        heartbeat_utc_s=now_utc_s - silent_s,
        failures=mailbox.failures.copy(),
        restarts=mailbox.restarts.copy(),
        waits=mailbox.waits.value(),
        durations={kind.__name__: histogram.value() for kind, histogram in mailbox.durations.copy().items()},
    )


def actor_families(actors: tuple[ActorSnapshot, ...]) -> list[Family]:
    """The Actors group of the metric list. Every label set known beforehand is there from the start, at zero."""

    def each(name: str, kind: Kind, text: str, value: str) -> Family:
        return Family(PREFIX + name, kind, text, [({"actor": a.name}, getattr(a, value)) for a in actors])

    failures = [({"actor": a.name, "exception": exception}, count) for a in actors for exception, count in a.failures.items()]
    restarts = [({"actor": a.name, "cause": cause}, count) for a in actors for cause, count in a.restarts.items()]
    durations = [({"actor": a.name, "message": message}, value) for a in actors for message, value in a.durations.items()]
    return [
        each("actor_alive", "gauge", "1 while an incarnation of the actor takes letters.", "alive"),
        Family(
            PREFIX + "actor_expected",
            "gauge",
            "Incarnations that should be alive.",
            [({"actor": a.name}, 1) for a in actors],
        ),
        Family(PREFIX + "actor_failures_total", "counter", "Ends of an actor, by exception class.", failures),
        Family(PREFIX + "actor_restarts_total", "counter", "Restarts, by cause.", restarts),
        each("actor_mailbox_messages", "gauge", "Letters waiting or in work.", "waiting"),
        each("actor_mailbox_dropped_total", "counter", "Letters dropped at a cap.", "dropped"),
        each("actor_letters_set_aside_total", "counter", "Letters that will not be tried again.", "set_aside"),
        each("actor_mailbox_wait_seconds", "histogram", "Time from put to the start of handling.", "waits"),
        Family(PREFIX + "actor_message_duration_seconds", "histogram", "Handling and commit of one message.", durations),
        each("actor_heartbeat_timestamp_seconds", "gauge", "When the actor last showed progress.", "heartbeat_utc_s"),
        each("supervisor_escalations_total", "counter", "Times the supervisor gave up on the actor.", "escalations"),
    ]
