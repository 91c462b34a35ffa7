"""A connection that is ended twice, by us and by the end of its loop, leaves no socket behind."""

import asyncio

import pytest

from venue.loopback import run, stage


@pytest.mark.parametrize("steps", range(1, 6))
def test_a_good_bye_that_is_cut_short_closes_the_socket(steps: int) -> None:
    """Given up, then cancelled while the closing frame is on its way: the transport is closed at once."""

    async def scenario() -> None:
        async with stage() as on:
            api = on.venue._wire.client().ws_api
            transport = api.ws.transport
            api.end("given up")
            for _ in range(steps):
                await asyncio.sleep(0)
            api._reader.cancel()
            await asyncio.wait([api._reader])
            assert transport.is_closing()

    run(scenario())
