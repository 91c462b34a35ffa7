"""The judge's door, /sim/…: the truth, the request log, hand-made orders, market steps, faults and lies, as JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import attrs
from aiohttp import web

from .errors import BinanceError
from .faults import Fault
from .floor import Floor
from .settings import SettingsError, decimal_of

Json = dict[str, Any]
Handler = Callable[[Json], Any]
_STREAMS = ("user", "market", "all")


CHANGEABLE = frozenset({"tick", "step", "min_qty", "max_qty", "min_notional"})
"""Numbers of a symbol's filters that a judge may change."""


class Refused(ValueError):
    """A control request that cannot be used; the text names what is wrong."""


class Control:
    """Routes below /sim. Not part of the simulated exchange: nothing here is logged, limited or signed."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def routes(self) -> list[web.RouteDef]:
        """All routes, for the one listener."""
        reads: dict[str, Handler] = {
            "/sim/state": lambda given: self._floor.state(),
            "/sim/ledger": lambda given: self._floor.exchange.ledger_of_truth(),
            "/sim/requests": self._requests,
            "/sim/faults": lambda given: {"faults": self._floor.faults.describe()},
            "/sim/limits": lambda given: self._limits({}),
            "/sim/key": lambda given: self._key({}),
        }
        writes: dict[str, Handler] = {
            "/sim/step": self._step,
            "/sim/start": self._start,
            "/sim/clock": self._clock,
            "/sim/symbol": self._symbol,
            "/sim/orders": self._order,
            "/sim/cancel": self._cancel,
            "/sim/deposit": self._deposit,
            "/sim/withdraw": self._withdraw,
            "/sim/transfer": self._between_wallets,
            "/sim/dust": self._dust,
            "/sim/convert": self._convert,
            "/sim/reset": self._reset,
            "/sim/lies": self._lies,
            "/sim/faults": self._add_fault,
            "/sim/limits": self._limits,
            "/sim/key": self._key,
            "/sim/cut": self._cut,
            "/sim/silence": self._silence,
            "/sim/shutdown_notice": self._shutdown_notice,
            "/sim/freeze": lambda given: {"frozen": self._floor.user_streams.freeze()},
            "/sim/forget": lambda given: {"forgotten": self._floor.user_streams.forget()},
            "/sim/frame": self._frame,
        }
        return [
            *(web.get(path, _door(handler)) for path, handler in reads.items()),
            *(web.post(path, _door(handler)) for path, handler in writes.items()),
            web.delete("/sim/faults", _door(self._clear_faults)),
        ]

    def _requests(self, given: Json) -> Json:
        since = str(given.get("since", "0"))
        if not since.isascii() or not since.isdecimal():
            raise Refused("since must be a sequence number")
        log = self._floor.log
        return {"seq": log.seq, "requests": log.since(int(since)), "by_client_id": log.by_client_id()}

    def _step(self, given: Json) -> Json:
        trades = _whole(given, "trades", 1)
        return {"stepped": self._floor.step(trades), **self._floor.state()}

    def _start(self, given: Json) -> Json:
        self._floor.start_market()
        return self._floor.state()

    def _clock(self, given: Json) -> Json:
        skew_ms = given.get("skew_ms")
        if type(skew_ms) is not int:
            raise Refused("skew_ms must be a whole number of milliseconds")
        self._floor.clock.skew_ms = skew_ms
        return {"now_ms": self._floor.clock.now_ms(), "skew_ms": skew_ms}

    def _symbol(self, given: Json) -> Json:
        """Change a symbol's `status` (TRADING, BREAK, HALT, CANCEL_ONLY …) or numbers of its filters, as texts."""
        symbol, status = str(given.pop("symbol", "")), given.pop("status", None)
        if unknown := set(given) - CHANGEABLE:
            raise Refused(f"no such rule: {sorted(unknown)[0]!r}")
        self._floor.exchange.change_rules(symbol, **{name: decimal_of(name, str(text)) for name, text in given.items()})
        if status is not None:
            self._floor.exchange.set_status(symbol, str(status))
        return {"symbol": symbol, "status": self._floor.exchange.pair(symbol).rules.status}

    def _order(self, given: Json) -> Json:
        uid, params = self._account(given)
        return self._then_settle(self._floor.exchange.place(uid, params, self._floor.clock.now_ms()))

    def _cancel(self, given: Json) -> Json:
        uid, params = self._account(given)
        return self._then_settle(self._floor.exchange.cancel(uid, params, self._floor.clock.now_ms()))

    def _deposit(self, given: Json) -> Json:
        uid, params = self._account(given)
        asset, amount = _coins(params, "asset", "amount")
        self._floor.exchange.wallet.deposit(uid, asset, amount, self._floor.clock.now_ms())
        return self._then_settle({"asset": asset, "amount": params["amount"]})

    def _withdraw(self, given: Json) -> Json:
        uid, params = self._account(given)
        asset, amount = _coins(params, "asset", "amount")
        fee = decimal_of("fee", params.get("fee", "0"))
        self._floor.exchange.wallet.withdraw(uid, asset, amount, self._floor.clock.now_ms(), fee)
        return self._then_settle({"asset": asset, "amount": params["amount"]})

    def _between_wallets(self, given: Json) -> Json:
        uid, params = self._account(given)
        asset, amount = _coins(params, "asset", "amount")
        self._floor.exchange.wallet.transfer(uid, params.get("type", ""), asset, amount, self._floor.clock.now_ms())
        return self._then_settle({"asset": asset, "amount": params["amount"]})

    def _dust(self, given: Json) -> Json:
        uid, params = self._account(given)
        asset, amount = _coins(params, "asset", "amount")
        gained, fee = decimal_of("gained", params.get("gained", "")), decimal_of("fee", params.get("fee", "0"))
        self._floor.exchange.wallet.dust(uid, asset, amount, gained, fee, self._floor.clock.now_ms())
        return self._then_settle({"asset": asset, "gained": params["gained"]})

    def _convert(self, given: Json) -> Json:
        uid, params = self._account(given)
        spent, got = _coins(params, "fromAsset", "fromAmount"), _coins(params, "toAsset", "toAmount")
        self._floor.exchange.wallet.convert(uid, spent, got, self._floor.clock.now_ms())
        return self._then_settle({"fromAsset": spent[0], "toAsset": got[0]})

    def _reset(self, given: Json) -> Json:
        """{asset: amount, …}: the account begins anew with these, and its connections are cut, as its keys live on."""
        uid, params = self._account(given)
        balances = {asset: decimal_of(asset, text) for asset, text in params.items()}
        self._floor.exchange.reset_account(uid, balances)
        return self._then_settle({"uid": uid, "cut": self._floor.cut("user", close_frame=True)})

    def _lies(self, given: Json) -> Json:
        return self._floor.tell_lies(given)

    def _add_fault(self, given: Json) -> Json:
        self._floor.faults.add(Fault.of(given, self._floor.clock.now_ms()))
        return {"faults": self._floor.faults.describe()}

    def _clear_faults(self, given: Json) -> Json:
        return {"removed": self._floor.faults.clear(given.get("name"))}

    def _limits(self, given: Json) -> Json:
        limits = self._floor.limits
        reset = given.pop("reset", False)
        limits.settings = limits.settings.changed(given)
        if reset:
            limits.reset()
        return {"rateLimits": limits.settings.exchange_info(), "ban_after": limits.settings.ban_after,
                "ban_ms": limits.settings.ban_ms}  # fmt: skip

    def _key(self, given: Json) -> Json:
        """Give the API key rights, or take them: {"enableWithdrawals": true, …}."""
        desk = self._floor.desk
        desk.rights = desk.rights.changed(given)
        return attrs.asdict(desk.rights)

    def _cut(self, given: Json) -> Json:
        return {"cut": self._floor.cut(_streams(given), close_frame=given.get("close_frame") is True)}

    def _silence(self, given: Json) -> Json:
        self._floor.silence(_streams(given), _whole(given, "ms"))
        return {"ms": given["ms"]}

    def _shutdown_notice(self, given: Json) -> Json:
        self._floor.user_streams.announce_shutdown()
        self._floor.market_streams.announce_shutdown()
        return {"announced": True}

    def _frame(self, given: Json) -> Json:
        """Send any frame (an object, or any text, `length` long if it is given) so many `times` to every WebSocket API
        connection: stray errors, unknown events, storms.
        """
        frame = given.get("frame")
        if not isinstance(frame, dict | str):
            raise Refused("frame must be an object or a text")
        if isinstance(frame, str) and frame:
            frame = (frame * (_whole(given, "length", len(frame)) // len(frame) + 1))[: _whole(given, "length", len(frame))]
        return {"sent": self._floor.user_streams.send(frame, _whole(given, "times", 1))}

    def _account(self, given: Json) -> tuple[int, dict[str, str]]:
        """Whose account, and the other members as request parameters."""
        uid = given.pop("uid", self._floor.uid)
        if type(uid) is not int or not all(isinstance(value, str) for value in given.values()):
            raise Refused("uid must be a number, every other member a string")
        if uid not in self._floor.accounts:
            raise Refused(f"no account {uid}")
        return uid, given

    def _then_settle(self, result: Json) -> Json:
        self._floor.settle()
        return result


def _door(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        try:
            given = await _read(request)
            body, status = handler(given), 200
        except BinanceError as refusal:
            body, status = refusal.body(), 400
        except (ValueError, SettingsError) as refusal:
            body, status = {"error": str(refusal)}, 400
        return web.json_response(body, status=status)

    return serve


async def _read(request: web.Request) -> Json:
    given: Json = dict(request.query)
    text = (await request.read()).decode("utf-8", "replace")
    if text.strip():
        try:
            body = json.loads(text)
        except RecursionError:
            raise Refused("the body is nested too deeply") from None
        if not isinstance(body, dict):
            raise Refused("the body must be a JSON object")
        given |= body
    return given


def _coins(params: dict[str, str], asset: str, amount: str) -> tuple[str, Decimal]:
    """An asset and how much of it."""
    found, quantity = params.get(asset, ""), decimal_of(amount, params.get(amount, ""))
    if not found or quantity <= 0:
        raise Refused(f"{asset} and a positive {amount} are needed")
    return found, quantity


def _whole(given: Json, name: str, default: int | None = None) -> int:
    value = given.get(name, default)
    if type(value) is not int or value < 0:
        raise Refused(f"{name} must be a whole number, not negative")
    return value


def _streams(given: Json) -> str:
    streams = given.get("streams", "user")
    if streams not in _STREAMS:
        raise Refused(f"streams must be one of {', '.join(_STREAMS)}")
    return str(streams)
