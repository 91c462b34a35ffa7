"""Quotes over a real socket: best prices and last trades folded together, and the stream's ends."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from realtrading.domain.values import Quote
from realtrading.errors import VenueUnknown
from realtrading.venue import streams
from venue.loopback import SYMBOL, Stage, run, stage, until

TICKER = {"bidPrice": "99.5", "askPrice": "100.5", "lastPrice": "100", "symbol": SYMBOL}


def frame(kind: str, **data: Any) -> str:
    return json.dumps({"stream": f"{SYMBOL.lower()}@{kind}", "data": data})


def book(bid: str, ask: str, symbol: str = SYMBOL) -> str:
    return frame("bookTicker", u=1, s=symbol, b=bid, B="1", a=ask, A="1")


def traded(price: str) -> str:
    return frame("trade", e="trade", E=1, s=SYMBOL, t=1, p=price, q="1", T=1, m=True, M=True)


async def watching(on: Stage, quotes: list[Quote], symbols: tuple[str, ...] = (SYMBOL,)) -> "asyncio.Task[None]":
    """A running watch whose socket is open."""
    task = asyncio.create_task(on.venue.watch_quotes(symbols, quotes.append))
    await until(lambda: on.exchange.market or task.done(), "the market stream")
    return task


def prices(quotes: list[Quote]) -> list[tuple[Decimal, Decimal, Decimal]]:
    return [(each.bid, each.ask, each.last) for each in quotes]


def test_quotes_are_folded_from_book_and_trades() -> None:
    """REST's ticker begins, then each change of best prices or last trade is one quote with all three."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.answer("GET", "ticker/24hr", TICKER)
            quotes: list[Quote] = []
            task = await watching(on, quotes, (SYMBOL, "ETHUSDT"))
            await until(lambda: quotes, "the first quote")
            assert on.exchange.streams_asked.split("/") == [
                "btcusdt@bookTicker", "btcusdt@trade", "ethusdt@bookTicker", "ethusdt@trade",
            ]  # fmt: skip
            await until(lambda: len(quotes) == 2, "both tickers")
            await on.exchange.market[0].send_str(book("101", "102"))
            await on.exchange.market[0].send_str(traded("101.5"))
            await until(lambda: len(quotes) == 4, "two changes")
            assert prices(quotes)[2:] == [(101, 102, 100), (101, 102, Decimal("101.5"))]
            assert quotes[0].at.tzinfo is not None
            assert quotes[-1].mono >= quotes[0].mono
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    run(scenario())


def test_without_a_ticker_the_stream_alone_tells() -> None:
    """No quote before both prices and a trade are known; nothing is invented."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            quotes: list[Quote] = []
            task = await watching(on, quotes)
            await until(lambda: on.venue.gauges.oddities.get("missing_ticker"), "the ticker's failure")
            await on.exchange.market[0].send_str(book("101", "102"))
            await on.exchange.market[0].send_str(traded("101.5"))
            await until(lambda: quotes, "a quote")
            assert prices(quotes) == [(101, 102, Decimal("101.5"))]
            task.cancel()
            await asyncio.wait([task])

    run(scenario())


def test_a_slow_ticker_does_not_overrule_the_stream() -> None:
    """What the stream told meanwhile is newer than REST's answer."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            go = asyncio.Event()

            async def slow(request: web.Request) -> web.StreamResponse:
                await go.wait()
                return web.json_response(TICKER)

            on.exchange.do("GET", "ticker/24hr", slow)
            quotes: list[Quote] = []
            task = await watching(on, quotes)
            await on.exchange.market[0].send_str(traded("101.5"))
            await on.exchange.market[0].send_str(book("101", "102"))
            await until(lambda: quotes, "the stream's quote")
            go.set()
            await until(lambda: len(quotes) == 2, "the ticker's quote")
            assert prices(quotes) == [(101, 102, Decimal("101.5"))] * 2
            task.cancel()
            await asyncio.wait([task])

    run(scenario())


def test_what_is_no_quote_is_counted() -> None:
    """Empty sides, nonsense numbers, symbols nobody asked for and broken frames are dropped; the stream lives."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.answer("GET", "ticker/24hr", TICKER)
            quotes: list[Quote] = []
            task = await watching(on, quotes)
            await until(lambda: quotes, "the first quote")
            broken = [
                book("0", "102"), book("NaN", "1"), book("-1", "1"), book("1", "2", "OTHER"), traded("1e5"), "x", "[]", "{}",
                '{"stream": "x", "data": null}', "[" * 50_000,
            ]  # fmt: skip
            for each in broken:
                await on.exchange.market[0].send_str(each)
            await on.exchange.market[0].send_str(traded("7"))
            await until(lambda: len(quotes) == 2, "the good one")
            assert on.venue.gauges.oddities == {"malformed_quote": len(broken)}
            task.cancel()
            await asyncio.wait([task])

    run(scenario())


@pytest.mark.parametrize(
    "shutdown", ['{"stream": "!serverShutdown", "data": {"e": "serverShutdown"}}', '{"e": "serverShutdown"}']
)
def test_an_announced_shutdown_returns(shutdown: str) -> None:
    """The caller starts the watch again; nothing was lost by surprise."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.answer("GET", "ticker/24hr", TICKER)
            task = await watching(on, [])
            await on.exchange.market[0].send_str(shutdown)
            await asyncio.wait([task], timeout=5)
            assert task.done()
            assert task.exception() is None

    run(scenario())


def test_an_old_watch_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the venue cuts it at 24 h the watch ends by itself."""
    monkeypatch.setattr(streams, "LIFETIME_S", 0.05)

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.answer("GET", "ticker/24hr", TICKER)
            task = await watching(on, [])
            await asyncio.wait([task], timeout=5)
            assert task.done()
            assert task.exception() is None

    run(scenario())


def test_a_lost_watch_raises() -> None:
    """Cut, refused, or closed by us: `VenueUnknown` in one sentence, at once."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.answer("GET", "ticker/24hr", TICKER)
            task = await watching(on, [])
            on.exchange.cut()
            with pytest.raises(VenueUnknown, match="market stream"):
                await asyncio.wait_for(task, 5)
            on.exchange.market.clear()
            task = await watching(on, [])
            await on.venue.close()
            with pytest.raises(VenueUnknown, match="closed"):
                await asyncio.wait_for(task, 5)
            with pytest.raises(VenueUnknown, match="closed"):
                await on.venue.watch_quotes([SYMBOL], lambda quote: None)
        async with stage(connected=False) as on:
            await on.exchange.stop()
            with pytest.raises(VenueUnknown, match="No market stream"):
                await on.venue.watch_quotes([SYMBOL], lambda quote: None)
            await on.exchange.start()

    run(scenario())
