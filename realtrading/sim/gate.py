"""The way of every request, REST or WebSocket: log, faults, limits, signature, the exchange, the events it caused."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, frozen

from .clock import SimClock
from .errors import BinanceError, mandatory_missing
from .faults import Fault, FaultBook, Stage, Subject, first
from .limits import Limits, Throttled
from .operations import Desk, Operation, shaped
from .replica import Replica
from .request_log import Entry, RequestLog
from .signing import Credentials, KeyRing, check_signature, check_timing

UNKNOWN_ERROR = BinanceError(-1000, "An unknown error occurred while processing the request.", 500)
_DEFAULT_ERRORS = {
    429: (-1003, "Too many requests queued."),
    418: (-1003, "Way too much request weight used; IP banned."),
    503: (-1008, "Server is currently overloaded with other requests. Please try again in a few minutes."),
    504: (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
}
TRADING = frozenset({"place", "place_list", "test", "cancel", "cancel_all", "cancel_list", "replace", "amend"})
"""Kinds of requests that need the right to trade."""

_NAMED_BY = {"place": "newClientOrderId", "replace": "newClientOrderId", "place_list": "listClientOrderId"}
"""Kind of request -> the parameter that names the order it is about, where that is not origClientOrderId."""

GARBAGE: Mapping[str, tuple[str, str]] = {
    "json": ("application/json", '{"orderId": 12, "clientOrd\x00\x17\ufffd'),
    "html": ("text/html", "<html><head><title>Welcome</title></head><body>captive portal</body></html>"),
    "empty": ("text/plain", ""),
}
"""Bodies that stand where an answer should, under status 200: torn JSON, somebody else's page, nothing at all."""


@frozen(kw_only=True)
class Call:
    """One request as it came in: `payload` is what its signature must cover, `method` the HTTP verb or WS method.

    `problem`: what is wrong with the parameters as a whole, found while they were read.
    """

    transport: str
    method: str
    path: str
    ip: str
    params: Mapping[str, str]
    api_key: str | None
    payload: bytes
    problem: BinanceError | None = None


@define
class Answer:
    """What to send back. `text` replaces the JSON body (content type, text); `dropped` means cut the connection.

    `purse`: under /sapi, whose weight was used and how much of it. `burst_ms`: a WebSocket connection keeps this and all
    later frames back so long and sends them in one piece.
    """

    status: int = 200
    body: Any = None
    text: tuple[str, str] | None = None
    retry_at_ms: int | None = None
    orders_of: int | None = None
    purse: tuple[str, int] | None = None
    dropped: bool = False
    burst_ms: int = 0


class Gate:
    """Lets requests through to the exchange one at a time, as a real exchange would, and remembers all of them."""

    def __init__(self, desk: Desk, keys: KeyRing, clock: SimClock, faults: FaultBook, log: RequestLog,
                 replica: Replica) -> None:  # fmt: skip
        self._desk = desk
        self.keys = keys
        self.clock = clock
        self.limits: Limits = desk.limits
        self._faults = faults
        self._log = log
        self._replica = replica
        self.settle: Callable[[], None] = lambda: None
        self.disturb: Callable[[Fault], None] = lambda fault: None
        self.internal_errors: list[str] = []

    async def answer(self, call: Call, operation: Operation | None) -> Answer:
        """Take one request all the way; `operation` None is a path or method nobody serves."""
        entry = self._note(call, operation)
        subject = _subject(call, entry)
        answer = await self._before(entry, subject)
        if answer is None:
            answer, after = self._execute(call, operation, entry, subject)
            answer = await self._after(answer, after)
        entry.status = 0 if answer.dropped else answer.status
        entry.answered = not answer.dropped
        return answer

    def authenticate(self, call: Call) -> Credentials:
        """Whose request this is; raises what Binance answers to a bad key, time or signature."""
        owner = self.keys.find(call.api_key)
        check_timing(call.params, self.clock.now_ms())
        signature = call.params.get("signature")
        if not signature:
            raise mandatory_missing("signature")
        check_signature(owner, call.payload, signature)
        return owner

    def _note(self, call: Call, operation: Operation | None) -> Entry:
        return self._log.open(
            at_ms=self.clock.now_ms(), transport=call.transport, method=call.method, path=call.path,
            kind=operation.kind if operation else "unknown", symbol=call.params.get("symbol", ""),
            client_order_id=call.params.get(_NAMED_BY.get(operation.kind if operation else "", "origClientOrderId"), ""),
        )  # fmt: skip

    async def _before(self, entry: Entry, subject: Subject) -> Answer | None:
        fired = self._faults.take(Stage.BEFORE, subject, entry.seq, self.clock.now_ms())
        entry.faults += tuple(each.name for each in fired)
        for each in fired:
            if each.action == "delay_before":
                await asyncio.sleep(each.params["ms"] / 1000)
        if first(fired, "drop_before"):
            return Answer(dropped=True)
        refused = first(fired, "status_before")
        return self._status(refused) if refused else None

    async def _after(self, answer: Answer, fired: list[Fault]) -> Answer:
        for each in fired:
            if each.action == "delay_after":
                await asyncio.sleep(each.params["ms"] / 1000)
        if first(fired, "drop_after"):
            return Answer(dropped=True)
        garbage = first(fired, "answer_garbage")
        if garbage:
            return Answer(text=GARBAGE[garbage.params.get("body", "json")])
        refused = first(fired, "status_after")
        answer = self._status(refused) if refused else answer
        burst = first(fired, "burst")
        answer.burst_ms = burst.params["ms"] if burst else 0
        return answer

    def _execute(self, call: Call, operation: Operation | None, entry: Entry,
                 subject: Subject) -> tuple[Answer, list[Fault]]:  # fmt: skip
        """Run the operation now, without a pause; the AFTER faults fire only on what succeeded."""
        fired: list[Fault] = []
        try:
            body, owner = self._run(call, operation, entry)
            fired = self._faults.take(Stage.AFTER, subject, entry.seq, self.clock.now_ms())
            entry.faults += tuple(each.name for each in fired)
            self._disturb(fired, entry)
            self.settle()
            answer = self._shown(call, operation, owner, body)
        except BinanceError as error:
            entry.code = error.code
            retry_at_ms = error.retry_at_ms if isinstance(error, Throttled) else None
            answer = Answer(error.status, error.body(), retry_at_ms=retry_at_ms)
            self.settle()
        except Exception:
            # A bug of the simulator: shown by /sim/state, never a dead connection without a word.
            self.internal_errors.append(traceback.format_exc())
            entry.code = UNKNOWN_ERROR.code
            answer = Answer(UNKNOWN_ERROR.status, UNKNOWN_ERROR.body())
        return answer, fired

    def _run(self, call: Call, operation: Operation | None, entry: Entry) -> tuple[Any, Credentials | None]:
        now_ms = self.clock.now_ms()
        if operation is not None and operation.purse is not None:
            return self._run_sapi(call, operation, operation.purse, entry, now_ms)
        weight = operation.weight(call.params) if operation else 1
        self.limits.admit(call.ip, weight, now_ms, raw=call.transport == "rest")
        charged = weight
        try:
            if operation is None:
                raise BinanceError(-1020, "This operation is not supported.", 404)
            if call.problem is not None:
                raise call.problem
            owner = self.authenticate(call) if operation.signed else None
            if operation.signed:
                self._desk.rights.check(trades=operation.kind in TRADING)
            entry.uid = owner.uid if owner else None
            body = self._perform(operation, owner, call.params, entry, now_ms)
            entry.executed = True
            charged = 0 if operation.free_when_ok else weight
        finally:
            self.limits.charge(call.ip, charged, now_ms)
            entry.weight = charged
        return body, owner

    def _run_sapi(self, call: Call, operation: Operation, purse: str, entry: Entry,
                  now_ms: int) -> tuple[Any, Credentials | None]:  # fmt: skip
        """The same way for what is counted by its own path."""
        self.limits.admit(call.ip, 0, now_ms, raw=True)
        if call.problem is not None:
            raise call.problem
        owner = self.authenticate(call)
        entry.uid = owner.uid
        weight = operation.weight(call.params)
        self.limits.charge_sapi(call.path, purse, _payer(call, owner, purse), weight, now_ms)
        entry.weight = weight
        body = operation.run(self._desk, owner.uid, call.params, now_ms)
        entry.executed = True
        return body, owner

    def _perform(self, operation: Operation, owner: Credentials | None, params: Mapping[str, str], entry: Entry,
                 now_ms: int) -> Any:  # fmt: skip
        uid = owner.uid if owner else 0
        if not operation.orders:
            self._replica.check(operation.name, params)
            return operation.run(self._desk, uid, params, now_ms)
        self.limits.admit_order(uid, now_ms)
        body = operation.run(self._desk, uid, params, now_ms)
        self.limits.count_order(uid, operation.orders, now_ms)
        made = body.get("orders", [body])
        entry.order_id = made[0]["orderId"]
        if operation.kind == "place":
            entry.client_order_id = entry.client_order_id or body["clientOrderId"]
        for each in made:
            self._log.created(each["clientOrderId"])
        return body

    def _disturb(self, fired: list[Fault], entry: Entry) -> None:
        for each in fired:
            if each.action == "query_lag" and entry.order_id is not None:
                self._replica.lag(entry.symbol, entry.order_id, entry.client_order_id, each.params["ms"])
            elif each.action in ("cut_stream", "silent_stream"):
                self.disturb(each)

    def _shown(self, call: Call, operation: Operation | None, owner: Credentials | None, body: Any) -> Answer:
        if operation is None or owner is None:
            return Answer(body=body)
        if operation.orders:
            single = operation.kind == "place"
            return Answer(body=shaped(call.params, body) if single else body, orders_of=owner.uid)
        if operation.purse is not None:
            who = _payer(call, owner, operation.purse)
            used = self.limits.used_sapi(call.path, operation.purse, who, self.clock.now_ms())
            return Answer(body=body, purse=(operation.purse, used))
        return Answer(body=self._replica.filter(operation.name, body))

    def _status(self, fault: Fault) -> Answer:
        status = fault.params["status"]
        default_code, default_msg = _DEFAULT_ERRORS.get(status, (UNKNOWN_ERROR.code, UNKNOWN_ERROR.msg))
        body = {"code": fault.params.get("code", default_code), "msg": fault.params.get("msg", default_msg)}
        answer = Answer(status, body)
        if "retry_after" in fault.params:
            answer.retry_at_ms = self.clock.now_ms() + fault.params["retry_after"] * 1000
        shape = fault.params.get("body", "html" if status == 403 else "json")
        if shape == "html":
            answer.text = ("text/html", page(status))
        elif shape == "empty":
            answer.text = ("text/plain", "")
        return answer


def page(status: int) -> str:
    """The HTML page the web server in front of the exchange answers with."""
    name = {403: "Forbidden", 404: "Not Found", 405: "Not Allowed", 410: "Gone", 413: "Request Entity Too Large",
            502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}  # fmt: skip
    title = f"{status} {name.get(status, 'Error')}"
    lines = ["<html>", f"<head><title>{title}</title></head>", "<body>", f"<center><h1>{title}</h1></center>",
             "<hr><center>nginx</center>", "</body>", "</html>"]  # fmt: skip
    return "".join(line + "\r\n" for line in lines)


def _payer(call: Call, owner: Credentials, purse: str) -> str:
    """Whose weight a request under /sapi uses."""
    return str(owner.uid) if purse == "UID" else call.ip


def _subject(call: Call, entry: Entry) -> Subject:
    return Subject(
        kind=entry.kind, transport=call.transport, method=call.method, path=call.path, symbol=entry.symbol,
        client_order_id=entry.client_order_id,
    )  # fmt: skip
