"""Scripted faults: which requests and events they touch, what they do, how often, and a record of when they did.

A fault is data: `{"name", "match", "action", "count", "params"}`. A new kind of fault is one row of ACTIONS and the
place that honours it (requests: `gate.py`; user events: `user_streams.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from attrs import define, field, fields_dict, frozen


class FaultError(ValueError):
    """A fault script that cannot be used; the text names the field."""


class Stage(Enum):
    """When an action takes effect: before the request runs, after it ran, or on an event of the user stream."""

    BEFORE = "before"
    AFTER = "after"
    EVENT = "event"


@frozen
class Action:
    """What a fault can do: its stage and the parameters it takes (name → check, True when the value is usable)."""

    stage: Stage
    params: Mapping[str, Callable[[Any], bool]] = field(factory=dict)
    required: tuple[str, ...] = ()


def _whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def _number(value: Any) -> bool:
    return type(value) is int


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _fields_given(value: Any) -> bool:
    return isinstance(value, dict)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _raw(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _status(value: Any) -> bool:
    return type(value) is int and 400 <= value <= 599


def _body(value: Any) -> bool:
    return value in ("json", "html", "empty")


def _streams(value: Any) -> bool:
    return value in ("user", "market", "all")


_STATUS = {"status": _status, "body": _body, "code": _number, "msg": _text, "retry_after": _whole}
_CUT = {"streams": _streams, "close_frame": _flag}

ACTIONS: Mapping[str, Action] = {
    "drop_before": Action(Stage.BEFORE),
    "delay_before": Action(Stage.BEFORE, {"ms": _whole}, ("ms",)),
    "status_before": Action(Stage.BEFORE, _STATUS, ("status",)),
    "query_lag": Action(Stage.AFTER, {"ms": _whole}, ("ms",)),
    "cut_stream": Action(Stage.AFTER, _CUT),
    "silent_stream": Action(Stage.AFTER, {"ms": _whole, "streams": _streams}, ("ms",)),
    "burst": Action(Stage.AFTER, {"ms": _whole}, ("ms",)),
    "delay_after": Action(Stage.AFTER, {"ms": _whole}, ("ms",)),
    "status_after": Action(Stage.AFTER, _STATUS, ("status",)),
    "answer_garbage": Action(Stage.AFTER, {"body": _body}),
    "drop_after": Action(Stage.AFTER),
    "drop_event": Action(Stage.EVENT),
    "duplicate_event": Action(Stage.EVENT, {"times": _whole}),
    "corrupt_event": Action(Stage.EVENT, {"set": _fields_given, "drop": _names, "raw": _raw}),
    "delay_event": Action(Stage.EVENT, {"ms": _whole}, ("ms",)),
    "reorder_events": Action(Stage.EVENT, {"ms": _whole}),
}


@frozen(kw_only=True)
class Subject:
    """A request or an event as faults see it. `kind` is place, cancel, query, market, stream … or `event`."""

    kind: str
    transport: str = ""
    method: str = ""
    path: str = ""
    symbol: str = ""
    client_order_id: str = ""
    event: str = ""
    execution: str = ""


@frozen(kw_only=True)
class Match:
    """Which subjects a fault is for: every field given must agree; `client_order_id` is a prefix.

    `nth`: leave the first n − 1 that agree alone.
    """

    kind: str | None = None
    transport: str | None = None
    method: str | None = None
    path: str | None = None
    symbol: str | None = None
    client_order_id: str | None = None
    event: str | None = None
    execution: str | None = None
    nth: int = 1

    @classmethod
    def of(cls, given: object) -> Match:
        """Read a match; raises FaultError."""
        if not isinstance(given, dict):
            raise FaultError("match must be an object")
        for name, value in given.items():
            if name not in fields_dict(cls):
                raise FaultError(f"match has no field {name!r}")
            if name == "nth" and (type(value) is not int or value < 1):
                raise FaultError("match.nth must be a positive integer")
            if name != "nth" and not isinstance(value, str):
                raise FaultError(f"match.{name} must be a string")
        return cls(**given)

    def agrees(self, subject: Subject) -> bool:
        """Does the subject have every property asked for (without counting)?"""
        if self.client_order_id is not None and not subject.client_order_id.startswith(self.client_order_id):
            return False
        names = ("kind", "transport", "method", "path", "symbol", "event", "execution")
        return all(getattr(self, name) in (None, getattr(subject, name)) for name in names)


@frozen
class Firing:
    """One time a fault took effect: the request it touched (0 for an event) and when, epoch milliseconds."""

    seq: int
    at_ms: int
    client_order_id: str


@define
class Fault:
    """A scripted fault and its history. `count` None means for ever."""

    name: str
    action: str
    match: Match
    count: int | None
    params: dict[str, Any]
    added_at_ms: int
    seen: int = field(default=0, init=False)
    fired: list[Firing] = field(factory=list, init=False)

    @classmethod
    def of(cls, given: object, now_ms: int) -> Fault:
        """Read a fault script; raises FaultError naming the field."""
        if not isinstance(given, dict):
            raise FaultError("a fault must be an object")
        unknown = set(given) - {"name", "match", "action", "count", "params"}
        if unknown:
            raise FaultError(f"a fault has no field {sorted(unknown)[0]!r}")
        action = given.get("action")
        if not isinstance(action, str) or action not in ACTIONS:
            raise FaultError(f"unknown action {action!r}; known: {', '.join(ACTIONS)}")
        count = given.get("count", 1)
        if count is not None and (type(count) is not int or count < 1):
            raise FaultError("count must be a positive integer, or null for ever")
        name = given.get("name", action)
        if not isinstance(name, str):
            raise FaultError("name must be a string")
        params = _checked_params(action, given.get("params", {}))
        return cls(name, action, Match.of(given.get("match", {})), count, params, now_ms)

    @property
    def spent(self) -> bool:
        """Has it fired as often as it was meant to?"""
        return self.count is not None and len(self.fired) >= self.count

    def describe(self) -> dict[str, Any]:
        """The fault and its history, JSON-ready."""
        wanted = {name: value for name, value in _fields(self.match).items() if value is not None}
        return {
            "name": self.name, "action": self.action, "match": wanted, "count": self.count, "params": self.params,
            "added_at": self.added_at_ms, "fired": len(self.fired), "firings": [_fields(each) for each in self.fired],
        }  # fmt: skip


class FaultBook:
    """All faults of one exchange, in the order they were given."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """From now on this fault looks at every request and event."""
        self._faults.append(fault)

    def clear(self, name: str | None = None) -> int:
        """Forget all faults, or those of one name; returns how many."""
        kept = [each for each in self._faults if name is not None and each.name != name]
        removed = len(self._faults) - len(kept)
        self._faults = kept
        return removed

    def describe(self) -> list[dict[str, Any]]:
        """All faults with their history, JSON-ready."""
        return [each.describe() for each in self._faults]

    def take(self, stage: Stage, subject: Subject, seq: int, now_ms: int) -> list[Fault]:
        """The faults that fire now on this subject at this stage, recorded as fired, in ACTIONS' order."""
        fired = [each for each in self._faults if self._fires(each, stage, subject)]
        for each in fired:
            each.fired.append(Firing(seq, now_ms, subject.client_order_id))
        return sorted(fired, key=lambda each: list(ACTIONS).index(each.action))

    @staticmethod
    def _fires(fault: Fault, stage: Stage, subject: Subject) -> bool:
        if fault.spent or ACTIONS[fault.action].stage is not stage or not fault.match.agrees(subject):
            return False
        fault.seen += 1
        return fault.seen >= fault.match.nth


def first(faults: Iterable[Fault], *actions: str) -> Fault | None:
    """The first of these faults whose action is one of those named."""
    return next((each for each in faults if each.action in actions), None)


def _checked_params(action: str, given: object) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise FaultError("params must be an object")
    known = ACTIONS[action]
    for name, value in given.items():
        if name not in known.params:
            raise FaultError(f"{action} takes no parameter {name!r}")
        if not known.params[name](value):
            raise FaultError(f"params.{name} = {value!r} is not usable for {action}")
    for name in known.required:
        if name not in given:
            raise FaultError(f"{action} needs params.{name}")
    return dict(given)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in fields_dict(type(value))}
