"""The trading floor: the exchange with its market, and everything that listens to what happens on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from .clock import Pace, SimClock
from .exchange import Exchange
from .faults import Fault, FaultBook
from .key_rights import KeyRights
from .ledger import HOUSE
from .limits import Limits
from .market import Market
from .market_streams import MarketStreams
from .operations import Desk
from .orders import Fill
from .request_log import RequestLog
from .user_streams import UserStreams

TICK_S = 0.01
SLICES = 2_000
FIRST_FILL_TAKER = 1
FIRST_FILL_MAKER = 5
Json = dict[str, Any]


class Floor:
    """One exchange at work. `pace` None: the market moves only by `step`."""

    def __init__(self, exchange: Exchange, markets: Sequence[Market], pace: Pace | None, clock: SimClock, uid: int, *,
                 tape_trades: int, tape_span_ms: int, tape_moves: int) -> None:  # fmt: skip
        self.exchange = exchange
        self.markets = markets
        self.pace = pace
        self.tape_trades = tape_trades
        self.tape_span_ms = tape_span_ms
        self.tape_moves = tape_moves
        self.clock = clock
        self.uid = uid
        self.desk = Desk(exchange, Limits(), KeyRights())
        self.faults = FaultBook()
        self.log = RequestLog()
        self.user_streams = UserStreams(clock, self.faults)
        self.market_streams = MarketStreams(exchange, clock)
        self.internal_errors: list[str] = []

    @property
    def limits(self) -> Limits:
        """What every client has used of its limits."""
        return self.desk.limits

    def settle(self) -> None:
        """Pass on all that happened on the exchange since the last call."""
        for audience, whom, event in self.exchange.take_events():
            if audience == "user":
                self._give_back(whom, event)
                self.user_streams.publish(whom, event)
            else:
                self.market_streams.publish(whom, event)

    @property
    def accounts(self) -> frozenset[int]:
        """The uids of all accounts but the house's."""
        return frozenset(self.exchange.core.ledger.accounts) - {HOUSE}

    def start_market(self) -> None:
        """Let a paced market run; a second call changes nothing."""
        if self.pace is not None:
            self.pace.start(time.monotonic())

    @property
    def finished(self) -> bool:
        """Has every tape been played to its end?"""
        return all(market.finished for market in self.markets)

    async def run_market(self) -> None:
        """Move a paced market along the tape until its end."""
        reached_ms = 0
        while self.pace is not None and not self.finished:
            await asyncio.sleep(TICK_S)
            position_ms = self.pace.position_ms(time.monotonic())
            while position_ms is not None and not self.finished:
                # In slices, so that a tape faster than this machine never starves the servers.
                reached_ms = min(position_ms, reached_ms + max(1, self.tape_span_ms // SLICES))
                for market in self.markets:
                    market.play_until(reached_ms, self.clock.now_ms())
                self.settle()
                if reached_ms == position_ms:
                    break
                await asyncio.sleep(0)

    def step(self, trades: int) -> int:
        """Play so many trades of each tape now; returns how many were. ValueError when the market has a pace."""
        if self.pace is not None:
            raise ValueError("the market has a pace of its own: start the simulator with --step to step it")
        played = sum(market.step(trades, self.clock.now_ms()) for market in self.markets)
        self.settle()
        return played

    def state(self) -> Json:
        """Where the market is, and what the servers are doing."""
        return {
            "now_ms": self.clock.now_ms(), "skew_ms": self.clock.skew_ms, "uid": self.uid,
            "mode": "step" if self.pace is None else "paced",
            "started": self.pace is None or self.pace.started_at is not None,
            "finished": self.finished, "played": sum(market.played for market in self.markets),
            "tape_trades": self.tape_trades, "tape_span_ms": self.tape_span_ms,
            "requests": self.log.seq, "user_subscriptions": self.user_streams.count(),
            "market_connections": self.market_streams.count(), "internal_errors": list(self.internal_errors),
        }  # fmt: skip

    def tell_lies(self, given: Mapping[str, Any]) -> Json:
        """Lie from now on: {"account_offset": {asset: "decimal"}, "hide_fill": true or {"symbol": …}}; ValueError."""
        unknown = set(given) - {"account_offset", "hide_fill"}
        if unknown:
            raise ValueError(f"no such lie: {sorted(unknown)[0]!r}")
        lies = self.exchange.lies
        if "account_offset" in given:
            lies.account_offset = _offsets(given["account_offset"])
        wanted = given.get("hide_fill", False)
        if isinstance(wanted, dict) and set(wanted) == {"symbol"}:
            symbol = wanted["symbol"]
            lies.hide_trade(lambda fill: fill.symbol == symbol and self._is_users(fill))
        elif wanted is True:
            lies.hide_trade(self._is_users)
        elif wanted is not False:
            raise ValueError('hide_fill must be true, or {"symbol": …}')
        return {"account_offset": {asset: f"{amount:f}" for asset, amount in lies.account_offset.items()}}

    def cut(self, streams: str, *, close_frame: bool) -> int:
        """Cut user streams, market streams or all; returns how many connections."""
        cut = 0
        if streams in ("user", "all"):
            cut += self.user_streams.cut(close_frame=close_frame)
        if streams in ("market", "all"):
            cut += self.market_streams.cut(close_frame=close_frame)
        return cut

    def silence(self, streams: str, ms: int) -> None:
        """Lose what these streams would say for so long, while they stay open."""
        if streams in ("user", "all"):
            self.user_streams.silence(ms)
        if streams in ("market", "all"):
            self.market_streams.silence(ms)

    def disturb(self, fault: Fault) -> None:
        """Do what a stream fault says."""
        streams = fault.params.get("streams", "user")
        if fault.action == "cut_stream":
            self.cut(streams, close_frame=fault.params.get("close_frame", False))
        else:
            self.silence(streams, fault.params["ms"])

    def _is_users(self, fill: Fill) -> bool:
        return fill.uid == self.uid

    def _give_back(self, uid: int, event: Json) -> None:
        """A first fill gives back unfilled order count: one as taker, five as maker."""
        if event.get("e") == "executionReport" and event["x"] == "TRADE" and event["z"] == event["l"]:
            self.limits.count_order(uid, -(FIRST_FILL_MAKER if event["m"] else FIRST_FILL_TAKER), self.clock.now_ms())


def _offsets(given: Any) -> dict[str, Decimal]:
    if not isinstance(given, dict):
        raise ValueError("account_offset must be an object of asset: decimal")
    offsets = {}
    for asset, amount in given.items():
        value = Decimal(amount) if isinstance(amount, str) and _is_decimal(amount) else None
        if value is None:
            raise ValueError(f"account_offset of {asset} must be a plain decimal in a string, got {amount!r}")
        offsets[asset] = value
    return offsets


def _is_decimal(text: str) -> bool:
    whole, _, places = text.removeprefix("-").partition(".")
    return (whole + places).isascii() and whole.isdecimal() and (not places or places.isdecimal())
