"""The REST door: HTTP requests under /api and /sapi become calls on the gate, answers become HTTP with Binance's headers."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from aiohttp import web

from .errors import BinanceError
from .gate import Answer, Call, Gate, page
from .operations import BY_REST, REST_PATHS
from .sapi import SAPI_BY_REST, SAPI_PATHS
from .signing import rest_payload

LISTEN_KEY_PATH = "/api/v3/userDataStream"


class RestDoor:
    """Serves every path below /api and, unless `sapi` is False, below /sapi: the testnet has none."""

    def __init__(self, gate: Gate, *, sapi: bool) -> None:
        self._gate = gate
        self._operations = {**BY_REST, **(SAPI_BY_REST if sapi else {})}
        self._paths = REST_PATHS | (SAPI_PATHS if sapi else frozenset())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request."""
        path = request.path
        if path == LISTEN_KEY_PATH and request.method in ("POST", "PUT", "DELETE"):
            return _page(410)
        body = await request.read()
        query = request.raw_path.partition("?")[2]
        params, problem = _parse(query, body)
        call = Call(
            transport="rest", method=request.method, path=path, ip=request.remote or "", params=params,
            api_key=request.headers.get("X-MBX-APIKEY"), payload=rest_payload(query, body), problem=problem,
        )  # fmt: skip
        operation = self._operations.get((request.method, path))
        answer = await self._gate.answer(call, operation)
        if answer.dropped:
            return _cut(request)
        if operation is None and answer.status == 404:
            return _page(405 if path in self._paths else 404)
        return self._response(call, answer)

    def _response(self, call: Call, answer: Answer) -> web.Response:
        now_ms = self._gate.clock.now_ms()
        used = str(self._gate.limits.used_weight(call.ip, now_ms))
        headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        if answer.purse is not None:
            headers = {f"X-SAPI-USED-{answer.purse[0]}-WEIGHT-1M": str(answer.purse[1])}
        if answer.orders_of is not None:
            ten_s, day = self._gate.limits.order_counts(answer.orders_of, now_ms)
            headers |= {"X-MBX-ORDER-COUNT-10S": str(ten_s), "X-MBX-ORDER-COUNT-1D": str(day)}
        if answer.retry_at_ms is not None:
            headers["Retry-After"] = str(max(1, -(-(answer.retry_at_ms - now_ms) // 1000)))
        content_type, text = answer.text or ("application/json", json.dumps(answer.body, separators=(",", ":")))
        return web.Response(
            status=answer.status, text=text, headers=headers, content_type=content_type, charset="UTF-8"
        )


def _parse(query: str, body: bytes) -> tuple[dict[str, str], BinanceError | None]:
    """Parameters of query and body (the query wins), and the problem when one is given twice in the same place."""
    problem = None
    params: dict[str, str] = {}
    for text in (body.decode("utf-8", "replace"), query):
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace")
        if len({name for name, _ in pairs}) < len(pairs):
            problem = BinanceError(-1101, "Duplicate values for a parameter detected.")
        params.update(pairs)
    return params, problem


def _page(status: int) -> web.Response:
    return web.Response(status=status, text=page(status), content_type="text/html", charset="UTF-8")


def _cut(request: web.Request) -> web.Response:
    """End the TCP connection without an answer; the response returned here reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
