"""The WebSocket API door: frames {id, method, params} become calls on the gate; here user streams are subscribed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from attrs import define, field

from .connections import Connection
from .errors import BinanceError, mandatory_missing
from .gate import Answer, Call, Gate
from .operations import BY_WS, Operation
from .signing import text_of, ws_payload
from .user_streams import Subscriber, UserStreams

CONNECT_WEIGHT = 2
SUBSCRIBE_WEIGHT = 2
_ID_FORM = re.compile(r"[a-zA-Z0-9_-]{1,36}")
_WHOLE_FORM = re.compile(r"-?[0-9]{1,18}")
_REMOVED = ("userDataStream.start", "userDataStream.ping", "userDataStream.stop")


@define
class _Session:
    """One connection: its subscriptions and whether replies carry rate limits."""

    connection: Connection
    subscriber: Subscriber
    connected_at_ms: int
    rate_limits: bool = True


@define
class WsApiDoor:
    """Serves /ws-api/v3."""

    gate: Gate
    streams: UserStreams
    connections: set[Connection] = field(factory=set)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        now_ms = self.gate.clock.now_ms()
        self.gate.limits.charge(request.remote or "", CONNECT_WEIGHT, now_ms)
        connection = Connection(request)
        session = _Session(connection, Subscriber(connection), now_ms)
        session.rate_limits = request.query.get("returnRateLimits") != "false"
        self.streams.add(session.subscriber)
        self.connections.add(connection)
        try:
            return await connection.serve(lambda text: self._frame(session, text))
        finally:
            self.streams.remove(session.subscriber)
            self.connections.discard(connection)

    def abort_all(self) -> None:
        """Cut every connection, subscribed or not."""
        for each in self.connections:
            each.abort()

    async def _frame(self, session: _Session, text: str) -> None:
        frame_id: str | int | None = None
        try:
            frame = _json(text)
            frame_id = _frame_id(frame.get("id"))
            method, params = _request(frame)
        except BinanceError as error:
            session.connection.send(_dump({"id": frame_id, "status": error.status, "error": error.body()}))
            return
        session.connection.start(self._reply(session, frame_id, method, params))

    async def _reply(self, session: _Session, frame_id: Any, method: str, params: dict[str, Any]) -> None:
        texts = {name: _param(value) for name, value in params.items() if value is not None}
        call = Call(
            transport="ws", method=method, path="/ws-api/v3", ip=session.connection.peer, params=texts,
            api_key=texts.get("apiKey"), payload=ws_payload(params),
        )  # fmt: skip
        own = self._own(session, method, call)
        operation = own or BY_WS.get(method)
        answer = await self.gate.answer(call, operation)
        if answer.dropped:
            session.connection.abort()
            return
        if answer.burst_ms:
            session.connection.gather(answer.burst_ms)
        session.connection.send(self._frame_of(session, call, frame_id, operation, answer))

    def _own(self, session: _Session, method: str, call: Call) -> Operation | None:
        """The methods that need the connection itself: sessions and user data streams."""
        runs: Mapping[str, Callable[[int, Mapping[str, str]], Any]] = {
            "userDataStream.subscribe.signature": lambda uid, params: self._subscribe(session, uid),
            "userDataStream.subscribe": lambda uid, params: _needs_logon(),
            "userDataStream.unsubscribe": lambda uid, params: self._unsubscribe(session, params),
            "session.subscriptions": lambda uid, params: [{"subscriptionId": n} for n in session.subscriber.accounts],
            "session.logon": lambda uid, params: _no_hmac_logon(),
            "session.logout": lambda uid, params: self._status(session),
            "session.status": lambda uid, params: self._status(session),
            **{name: lambda uid, params: _removed() for name in _REMOVED},
        }
        run = runs.get(method)
        if run is None:
            return None
        signed = method in ("userDataStream.subscribe.signature", "session.logon")
        return Operation(
            name=method, kind="stream", signed=signed, weight=lambda params: SUBSCRIBE_WEIGHT,
            run=lambda trading, uid, params, now_ms: run(uid, params),
        )  # fmt: skip

    def _subscribe(self, session: _Session, uid: int) -> dict[str, int]:
        return {"subscriptionId": session.subscriber.subscribe(uid)}

    def _unsubscribe(self, session: _Session, params: Mapping[str, str]) -> dict[str, Any]:
        given = params.get("subscriptionId")
        if given is not None and not given.isdecimal():
            raise mandatory_missing("subscriptionId")
        self.streams.terminate(session.subscriber, None if given is None else int(given))
        return {}

    def _status(self, session: _Session) -> dict[str, Any]:
        return {
            "apiKey": None, "authorizedSince": None, "connectedSince": session.connected_at_ms,
            "returnRateLimits": session.rate_limits, "serverTime": self.gate.clock.now_ms(),
            "userDataStream": bool(session.subscriber.accounts),
        }  # fmt: skip

    def _frame_of(self, session: _Session, call: Call, frame_id: Any, operation: Operation | None,
                  answer: Answer) -> str:  # fmt: skip
        if answer.text is not None and answer.status == 200:
            return answer.text[1]
        now_ms = self.gate.clock.now_ms()
        status = 400 if operation is None and answer.status == 404 else answer.status
        frame: dict[str, Any] = {"id": frame_id, "status": status}
        if status == 200:
            frame["result"] = answer.body
        else:
            frame["error"] = dict(answer.body)
            if answer.retry_at_ms is not None:
                frame["error"]["data"] = {"serverTime": now_ms, "retryAfter": answer.retry_at_ms}
        if session.rate_limits and call.params.get("returnRateLimits") != "false":
            orders = [] if answer.orders_of is None else self.gate.limits.order_limits(answer.orders_of, now_ms)
            frame["rateLimits"] = [*orders, self.gate.limits.weight_limit(call.ip, now_ms)]
        return _dump(frame)


class _Number(str):
    """A JSON number as it was written: signatures cover the text, and money never becomes a float."""


def _json(text: str) -> dict[str, Any]:
    try:
        frame = json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BinanceError(-1135, "Invalid JSON Request") from None
    if not isinstance(frame, dict):
        raise BinanceError(-1135, "Invalid JSON Request")
    return frame


def _request(frame: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    method, params = frame.get("method"), frame.get("params")
    if not isinstance(method, str) or isinstance(method, _Number):
        raise BinanceError(-1135, "Invalid JSON Request")
    if not isinstance(params, dict | None):
        raise BinanceError(-1135, "JSON sent for parameter 'params' is not valid")
    return method, params or {}


def _frame_id(given: object) -> str | int | None:
    if given is None:
        return None
    if isinstance(given, _Number) and _WHOLE_FORM.fullmatch(given):
        return int(given)
    if isinstance(given, str) and not isinstance(given, _Number) and _ID_FORM.fullmatch(given):
        return given
    raise BinanceError(-1100, "Illegal characters found in parameter 'id'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.")


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _param(value: Any) -> str:
    return _dump(value) if isinstance(value, list | dict) else text_of(value)


def _needs_logon() -> None:
    raise BinanceError(-1002, "You are not authorized to execute this request.", 401)


def _no_hmac_logon() -> None:
    raise BinanceError(-4056, "HMAC_SHA256 API key is not supported.")


def _removed() -> None:
    raise BinanceError(-1020, "This operation is not supported.", 410)


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
