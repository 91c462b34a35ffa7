"""One client and the event loop it lives on: whichever of the two ends first, no socket is left open."""

from __future__ import annotations

import asyncio
import contextlib

from .client import REQUEST_TIMEOUT_S, GatewayClient


class Held:
    """A client of one generation. Make it inside the loop it belongs to; `retire` may be called from any loop.

    The supervisor may replace a loop at any moment. What belonged to the old one can be used by nobody of the new one,
    so it is closed where it was made: by a task that the old loop's end cancels.
    """

    def __init__(self, client: GatewayClient) -> None:
        self.client = client
        self.loop = asyncio.get_running_loop()
        self.in_flight: set[asyncio.Future[None]] = set()
        self._over = asyncio.Event()

    @property
    def is_ours(self) -> bool:
        """Whether it belongs to the loop that runs here."""
        return self.loop is asyncio.get_running_loop()

    async def live(self) -> None:
        """Until it is retired, or its loop ends; then close it.

        An order whose answer is still on its way must not become unknown by our own doing.
        """
        try:
            await self._over.wait()
            await self.client.ws_api.close()
            ends_at = self.loop.time() + REQUEST_TIMEOUT_S
            while self.in_flight and (left := ends_at - self.loop.time()) > 0:
                await asyncio.wait(self.in_flight, timeout=left)
        finally:
            await self.client.close_connection()

    def retire(self) -> None:
        """Have it closed when the last answer is in."""
        with contextlib.suppress(RuntimeError):  # its loop is closed, and has closed it
            self.loop.call_soon_threadsafe(self._over.set)

    def wait_no_longer(self) -> None:
        """Have it closed now: whoever still waits for an answer will not get one."""
        for ticket in self.in_flight:
            ticket.set_result(None)
        self.in_flight.clear()
