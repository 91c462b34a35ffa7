"""What the page says about money, limits and the engine's state, from views made by hand."""
from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import attrs
import pytest

from order_factories import T0, D, a_report, a_trade, an_order
from realtrading.actors.tally import Tally
from realtrading.domain.balances import opening
from realtrading.domain.breaker import BreakerBook, BreakerCause, CauseKind
from realtrading.domain.orders import OrderState, merge
from realtrading.domain.positions import PositionBook, book_order
from realtrading.domain.risk import RiskDay, hold
from realtrading.domain.settings import Settings, VenueUrls
from realtrading.domain.values import Quote, SymbolRules
from realtrading.metrics.families import families
from realtrading.metrics.machine import state_of
from realtrading.metrics.view import View
from realtrading.venue.port import VenueGauges

URL = "127.0.0.1:17881"
SETTINGS = Settings(
    mode="simulated",  # type: ignore[arg-type]
    symbols=("BTCUSDT", "ETHBTC"),
    venue=VenueUrls(rest_url=f"http://{URL}", ws_api_url=f"ws://{URL}", stream_url=f"ws://{URL}"),
)


def rules(base: str, quote: str) -> SymbolRules:
    made = {field.name: Decimal(0) for field in attrs.fields(SymbolRules)}
    return SymbolRules(**{**made, "symbol": base + quote, "base": base, "quote": quote, "status": "TRADING"})


def quote(symbol: str, price: str) -> Quote:
    return Quote(symbol=symbol, bid=D(price), ask=D(price), last=D(price), at=T0, mono=0.0)


def bought(symbol: str, base: str, asset: str, quantity: str, price: str) -> PositionBook:
    """A book after one buy."""
    trade = a_trade(1, quantity, price, symbol=symbol)
    report = a_report("FILLED", quantity, trade, original=quantity, quote=trade.quote_quantity, symbol=symbol)
    order = merge(an_order(quantity=quantity, symbol=symbol), report, T0).order
    empty = PositionBook(strategy="grid", symbol=symbol, base=base, quote=asset)
    return book_order(empty, order, base, asset, T0).book


def a_view(**given: Any) -> View:
    """0.5 BTC bought at 100 and 3 ETH at 0.1 BTC, with 1,000 USDT, 2.5 BTC, 3 ETH and 7 XRP in the wallet."""
    books = [bought("BTCUSDT", "BTC", "USDT", "0.5", "100"), bought("ETHBTC", "ETH", "BTC", "3", "0.1")]
    held = {"USDT": "1000", "BTC": "2.5", "ETH": "3", "XRP": "7"}
    made: dict[str, Any] = {
        "settings": SETTINGS,
        "phase": "started",
        "ready": True,
        "tally": Tally(),
        "gauges": VenueGauges(),
        "orders": {},
        "books": {book.key: book for book in books},
        "ledger": {asset: opening(asset, D(amount), D(0), T0) for asset, amount in held.items()},
        "rules": {"BTCUSDT": rules("BTC", "USDT"), "ETHBTC": rules("ETH", "BTC")},
        "commitments": {},
        "day": RiskDay(day=date(2026, 3, 1), start={}),
        "breaker": BreakerBook(),
        "quotes": {"BTCUSDT": quote("BTCUSDT", "110"), "ETHBTC": quote("ETHBTC", "0.2")},
        "journal": None,
        "actors": (),
    }
    return View(**{**made, **given})


def shown(view: View) -> dict[str, Any]:
    """`name{values}` -> value, for families without histograms."""
    return {
        f"{family.name.removeprefix('realtrading_')}{{{','.join(labels.values())}}}": value
        for family in families(view)
        for labels, value in family.samples
    }


def test_amounts_are_in_the_reporting_asset() -> None:
    """BTC at 110: the ETH book's value and result go through BTC into USDT."""
    page = shown(a_view())

    assert page["position_quantity{BTCUSDT}"] == D("0.5")
    assert page["position_notional{BTCUSDT}"] == D("55")
    assert page["position_notional{ETHBTC}"] == D("66")
    assert page["pnl_unrealized{BTCUSDT}"] == D("5")
    assert page["pnl_unrealized{ETHBTC}"] == D("33")
    assert page["pnl_realized{ETHBTC}"] == 0
    assert page["pnl_day{}"] == D("38")


def test_equity_is_what_we_trade_with_and_what_we_bought() -> None:
    """USDT and BTC are quote assets, so their totals count; of ETH the managed quantity does; XRP is nobody's business."""
    assert shown(a_view())["equity{}"] == D("1000") + D("2.5") * 110 + D("66")


def test_a_coin_nobody_trades_has_no_series() -> None:
    """Balances are shown of traded assets only: an account may hold dust in hundreds of others."""
    page = shown(a_view())

    assert {key for key in page if key.startswith("balance{")} == {
        f"balance{{{asset},{kind}}}" for asset in ("USDT", "BTC", "ETH") for kind in ("free", "locked")
    }


def test_locked_is_the_exchanges_word_and_free_is_the_rest_of_the_ledger() -> None:
    """The two always add up to what the ledger holds."""
    line = opening("USDT", D(900), D(100), T0)
    page = shown(a_view(ledger={"USDT": line}))

    assert (page["balance{USDT,free}"], page["balance{USDT,locked}"]) == (D(900), D(100))


@pytest.mark.parametrize("name", ["position_notional{ETHBTC}", "pnl_unrealized{ETHBTC}", "equity{}", "pnl_day{}"])
def test_without_a_price_there_is_no_sample(name: str) -> None:
    """A gauge that cannot be known is absent, rather than wrong."""
    blind = a_view(quotes={"BTCUSDT": quote("BTCUSDT", "110")})

    assert name in shown(a_view())
    assert name not in shown(blind)
    assert shown(blind)["position_notional{BTCUSDT}"] == D("55")


def test_a_removed_symbol_is_shown_while_something_is_held_in_it() -> None:
    """What was left in a symbol that is no longer in the settings is still ours."""
    page = shown(a_view(settings=attrs.evolve(SETTINGS, symbols=("BTCUSDT",))))

    assert page["position_quantity{ETHBTC}"] == 3


def test_usage_is_positions_and_live_entries_against_their_limits() -> None:
    """A resting buy of 1 at 100 adds to its symbol and to the whole; the day's loss is used from zero."""
    held = hold(an_order(), D(100), reduces=False)
    page = shown(a_view(commitments={held.order_id: held}))
    limits = SETTINGS.limits

    assert page["risk_usage{position_max,BTCUSDT}"] == D("155")
    assert page["risk_usage{exposure_max,account}"] == D("221")
    assert page["risk_usage{positions_max,account}"] == 2
    assert page["risk_usage{daily_loss,account}"] == 0
    assert page["risk_limit{exposure_max,account}"] == limits.max_total_exposure_usdt
    assert page["risk_limit{per_trade_max,order}"] == D("20")
    assert "risk_usage{order_value_max,order}" not in page


def test_a_days_loss_uses_its_limit() -> None:
    """BTC fell to 90: 5 lost there; ETH is worth 0.1 BTC as before."""
    fallen = a_view(quotes={"BTCUSDT": quote("BTCUSDT", "90"), "ETHBTC": quote("ETHBTC", "0.1")})

    assert shown(fallen)["risk_usage{daily_loss,account}"] == D("5")


def test_unknown_orders_are_counted_with_the_oldest_one() -> None:
    """Live orders by side, doubtful ones by symbol, and since when the oldest doubt lasts; none is no moment."""
    doubtful = an_order(id="rt_1_grid_n7").moved(OrderState.UNKNOWN, T0)
    page = shown(a_view(orders={"a": an_order(), "b": doubtful}))

    assert page["orders_open{BTCUSDT,BUY}"] == 2
    assert page["orders_unknown{BTCUSDT}"] == 1
    assert page["orders_unknown_oldest_timestamp_seconds{}"] == T0.timestamp()
    assert "orders_unknown_oldest_timestamp_seconds{}" not in shown(a_view())


def cause(kind: CauseKind, scope: str = "account") -> BreakerCause:
    return BreakerCause(kind=kind, scope=scope, token="t", detail="", opened_at=T0)


@pytest.mark.parametrize(
    ("phase", "causes", "state"),
    [
        ("new", (), "starting"),
        ("starting", (), "starting"),
        ("started", (), "running"),
        ("started", (cause(CauseKind.UNCONFIRMED),), "reconciling"),
        ("started", (cause(CauseKind.KEEPER_LOST), cause(CauseKind.STREAM_LOST)), "reconciling"),
        ("started", (cause(CauseKind.UNCONFIRMED), cause(CauseKind.LOSS)), "reduce_only"),
        ("started", (cause(CauseKind.MANUAL),), "reduce_only"),
        ("started", (cause(CauseKind.DRIFT, "asset:BTC"),), "running"),
        ("failed", (), "halted"),
        ("stopping", (cause(CauseKind.UNCONFIRMED),), "draining"),
        ("stopped", (), "stopped"),
    ],
)
def test_the_state_is_one_word(phase: str, causes: tuple[BreakerCause, ...], state: str) -> None:
    """Life first, then causes of the whole account: those a round lifts, and those that need more."""
    view = a_view(phase=phase, breaker=BreakerBook(causes=causes))

    assert state_of(view) == state
    (shown_state,) = (family for family in families(view) if family.name == "realtrading_engine_state")
    assert [word for word, on in shown_state.samples[0][1].items() if on] == [state]


def test_an_open_cause_is_shown_whatever_its_scope() -> None:
    """`breaker_open` is by kind; the others are 0."""
    page = shown(a_view(breaker=BreakerBook(causes=(cause(CauseKind.DRIFT, "asset:BTC"),))))

    assert {key for key, value in page.items() if key.startswith("breaker_open") and value} == {"breaker_open{DRIFT}"}
