"""python-binance's AsyncClient as the house uses it: literal addresses, one send per call, every answer returned
whole.

Only the transport and the signing of the library are used (`_request_api`), never its wrappers: those invent client
ids, and raise exceptions that have forgotten headers and bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import aiohttp
from binance.async_client import AsyncClient

from .answers import BODY_MAX, Answer, from_body
from .urls import VenueUrls
from .ws_api import GatewayWsApi

RECV_WINDOW_MS = 3_000
SAPI = "/sapi/v1/"
"""Where the wallet's histories are, beside /api/v3/."""
REQUEST_TIMEOUT_S = 15.0
"""Above the venue's own 10 s for its engine, so that its -1007 can still reach us."""
_CONNECT_TIMEOUT_S = 8.0
_IDLE_S = 15.0
_CHUNK = 64 * 1024


class ResponseTooLarge(Exception):
    """A body larger than the house reads."""


class GatewayClient(AsyncClient):  # type: ignore[misc]  # the library is untyped
    """One REST session and one (not yet opened) WebSocket API connection for one generation.

    Make it inside a running loop.
    """

    REQUEST_RECVWINDOW = 0  # 0: the library leaves our own recvWindow alone
    REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)

    def __init__(
        self,
        urls: VenueUrls,
        key: str,
        secret: str,
        *,
        stamp_offset_ms: Callable[[], float],
        on_headers: Callable[[Mapping[str, str]], None],
        ws_api: GatewayWsApi,
    ) -> None:
        self._stamp_offset_ms = stamp_offset_ms
        self._on_headers = on_headers
        super().__init__(key, secret, requests_params={"allow_redirects": False})
        # the library takes its addresses for format templates; set afterwards they are literal
        self.API_URL = urls.rest
        self.MARGIN_API_URL = urls.sapi
        self.ws_api = ws_api

    @property
    def timestamp_offset(self) -> float:
        """Milliseconds from `time.time()` to server time, asked of the house's own clock at each signing."""
        return self._stamp_offset_ms()

    @timestamp_offset.setter
    def timestamp_offset(self, _measured_by_the_library: float) -> None:
        """The library measures once and never again: its number is not wanted."""

    def _get_headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "User-Agent": "realtrading", "X-MBX-APIKEY": self.API_KEY}

    def _init_session(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=_IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._get_headers(),
            trust_env=False,
        )
        # aiohttp sends GET, PUT and DELETE again by itself when a kept connection drops: a cancel would go out twice
        session._retry_connection = False
        return session

    async def call(self, method: str, path: str, params: Mapping[str, str | int], *, signed: bool) -> Answer:
        """Send one request (`method` get, post or delete; `path` below /api/v3/, or whole under /sapi/v1/) once.

        Raises what aiohttp raises.
        """
        data: dict[str, str | int] = dict(params)
        if signed:
            data["recvWindow"] = RECV_WINDOW_MS
        given = {"data": data} if data else {}
        if path.startswith(SAPI):
            answer = await self._request_margin_api(method, path.removeprefix(SAPI), signed, **given)
        else:
            answer = await self._request_api(method, path, signed, **given)
        assert isinstance(answer, Answer)
        return answer

    async def _handle_response(self, response: aiohttp.ClientResponse) -> Answer:
        self._on_headers(response.headers)
        return from_body(response.status, response.headers, await _bounded(response))

    async def close_connection(self) -> None:
        """Close the session and the WebSocket API connection. Idempotent."""
        await self.ws_api.close()
        await self.session.close()


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body: bytearray = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > BODY_MAX:
            raise ResponseTooLarge(f"more than {BODY_MAX} bytes")
    return bytes(body)
