"""The simulated Binance as a server: one listener for REST, WebSocket API, market streams and /sim."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiohttp import web

from .clock import SimClock
from .control import Control
from .floor import Floor
from .gate import Gate, page
from .replica import Replica
from .rest import RestDoor
from .settings import SimSettings
from .signing import Credentials, KeyRing
from .stage import build_floor
from .wsapi import WsApiDoor

BODY_MAX_BYTES = 1 << 20


class SimServer:
    """A running simulated exchange. `start` binds the listener, `stop` frees it and ends every connection."""

    def __init__(self, floor: Floor, settings: SimSettings) -> None:
        self.floor = floor
        self.settings = settings
        self.port = settings.port
        keys = KeyRing([Credentials(settings.key, settings.secret, settings.uid)])
        self.gate = Gate(floor.desk, keys, floor.clock, floor.faults, floor.log, Replica())
        self.gate.settle = floor.settle
        self.gate.disturb = floor.disturb
        self.gate.internal_errors = floor.internal_errors
        self._ws_api = WsApiDoor(self.gate, floor.user_streams)
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def build(cls, settings: SimSettings) -> SimServer:
        """The server for these settings; raises SettingsError."""
        return cls(build_floor(settings, SimClock()), settings)

    async def start(self) -> None:
        """Bind and serve; raises OSError when the address is taken."""
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self.settings.host, self.settings.port, backlog=1024)
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        if not self.settings.hold:
            self.floor.start_market()
        self._tasks = [
            asyncio.create_task(self.floor.run_market()),
            asyncio.create_task(self.floor.market_streams.run()),
        ]

    async def stop(self) -> None:
        """End everything; safe to call twice."""
        tasks, self._tasks = self._tasks, []
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._runner is not None:
            runner, self._runner = self._runner, None
            self._ws_api.abort_all()
            self.floor.market_streams.cut(close_frame=False)
            await runner.cleanup()

    def ready(self) -> dict[str, Any]:
        """What a client needs to know, and what is being played."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        at = f"{host}:{self.port}"
        return {
            "ready": True, "listen": at, "rest_url": f"http://{at}/api", "ws_api_url": f"ws://{at}/ws-api/v3",
            "stream_url": f"ws://{at}/", "control_url": f"http://{at}/sim", "symbols": list(self.floor.exchange.rules),
            "key": self.settings.key, "secret": self.settings.secret, "uid": self.settings.uid,
            "tape_trades": self.floor.tape_trades, "tape_span_s": self.floor.tape_span_ms / 1000,
            "tape_moves": self.floor.tape_moves,
        }  # fmt: skip

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=BODY_MAX_BYTES)
        rest = RestDoor(self.gate, sapi=self.settings.sapi)
        application.add_routes([
            *Control(self.floor).routes(),
            web.route("*", "/api{tail:.*}", rest.handle),
            web.route("*", "/sapi{tail:.*}", rest.handle),
            web.get("/ws-api/v3", self._ws_api.handle),
            web.get("/ws{tail:(/.*)?}", self.floor.market_streams.handle),
            web.get("/stream", self.floor.market_streams.handle),
            web.route("*", "/{tail:.*}", _nothing_here),
        ])  # fmt: skip
        return application


async def _nothing_here(request: web.Request) -> web.Response:
    with contextlib.suppress(ConnectionError, web.HTTPException):
        await request.read()
    return web.Response(status=404, text=page(404), content_type="text/html", charset="UTF-8")
