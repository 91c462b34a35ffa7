"""A venue at the shipped simulator, which runs as its own process for one test."""

import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import attrs

from processes import Processes
from realtrading.venue.binance_venue import BinanceVenue
from realtrading.venue.port import RequestSeen
from realtrading.venue.urls import VenueUrls
from venue.loopback import KEY, SECRET, SYMBOL, Heard

ROOT = Path(__file__).resolve().parents[2]


class Simulator:
    """The running simulator: its addresses and its judge's door."""

    def __init__(self, processes: Processes) -> None:
        arguments = ("--listen", "127.0.0.1:0", "--symbol", SYMBOL, "--key", KEY, "--secret", SECRET, "--step")
        balances = ("--balance", "USDT=100000", "--balance", "BTC=2")
        self.process = processes.python("-m", "realtrading.sim", "serve", *arguments, *balances, cwd=ROOT)
        self.ready: dict[str, Any] = json.loads(self.process.wait_for_line(r'^\{.*"ready".*', 30).group(0))

    @property
    def urls(self) -> VenueUrls:
        """Where it listens."""
        return VenueUrls(rest=self.ready["rest_url"], ws_api=self.ready["ws_api_url"], stream=self.ready["stream_url"])

    async def control(self, path: str, **given: Any) -> Any:
        """POST to the judge's door (GET when nothing is given)."""
        async with aiohttp.ClientSession() as http:
            url = f"{self.ready['control_url']}/{path}"
            async with http.post(url, json=given) if given else http.get(url) as response:
                assert response.status == 200, await response.text()
                return await response.json()

    async def fault(self, action: str, match: dict[str, Any], **params: Any) -> None:
        """Script one fault, once."""
        await self.control("faults", action=action, match=match, params=params)

    async def places(self, client_id: str) -> int:
        """How many place requests with this client id reached it."""
        return sum(1 for each in (await self._log()) if each["kind"] == "place" and each["client_order_id"] == client_id)

    async def requests(self, kind: str) -> list[Any]:
        """The requests of one kind that reached it."""
        return [each for each in await self._log() if each["kind"] == kind]

    async def _log(self) -> list[Any]:
        return list((await self.control("requests"))["requests"])


@attrs.frozen
class SimStage:
    """A simulator, a venue that uses it, what was delivered and which requests were seen."""

    exchange: Simulator
    venue: BinanceVenue
    heard: Heard
    seen: list[RequestSeen]


@contextlib.asynccontextmanager
async def at_simulator(processes: Processes) -> AsyncIterator[SimStage]:
    """A venue connected to a fresh simulator as generation 1."""
    simulator, heard, seen = Simulator(processes), Heard(), list[RequestSeen]()
    venue = BinanceVenue(
        simulator.urls, KEY, SECRET, utc=lambda: datetime.now(UTC), mono=time.monotonic, on_request=seen.append
    )
    try:
        await venue.connect(1, heard)
        yield SimStage(simulator, venue, heard, seen)
    finally:
        await venue.close()
