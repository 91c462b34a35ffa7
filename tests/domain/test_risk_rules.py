"""Each rule of risk by itself, and the judgement over all of them."""

from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictures import START, book, limits, line, order, picture, quote, rules, valuation
from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from realtrading.domain.risk import Commitment, RiskDay, hold, with_order
from realtrading.domain.risk_picture import Picture
from realtrading.domain.risk_rules import RULES, judge
from realtrading.domain.values import EXACT, OrderType, Role, Side, TimeInForce

D = Decimal
CHECKS = {rule.name: rule.check for rule in RULES}
SELL = Side.SELL


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with localcontext(EXACT):
        yield


def reason(seen: Picture) -> Reason | None:
    """What the judgement says, None for yes."""
    verdict = judge(seen).verdict
    return None if verdict is None else verdict.reason


def says(name: str, seen: Picture) -> Reason | None:
    """What one rule by itself says."""
    verdict = CHECKS[name](seen)
    return None if verdict is None else verdict.reason


def live(id: str, quantity: str, price: str, reduces: bool = False, **more: Any) -> dict[str, Commitment]:
    """The commitment of another live limit order, by its id."""
    return {id: hold(order(id, quantity=quantity, price=price, **more), D(price), reduces)}


def test_a_small_entry_in_a_healthy_house_is_held() -> None:
    """No verdict; the commitment holds the whole order at its worst price, the ask plus 0.1 %."""
    answer = judge(picture())
    assert answer.verdict is None
    assert not answer.reduces
    assert answer.commitment == hold(order(), D("50050.000"), reduces=False)


def test_a_verdict_holds_nothing_and_has_the_numbers() -> None:
    """A refused order takes no commitment; its detail is for people."""
    answer = judge(picture(order(quantity="0.01")))
    assert answer.commitment is None
    assert answer.verdict is not None
    assert answer.verdict.reason is Reason.RISK_ORDER_VALUE_MAX
    assert answer.verdict.detail == "order value 500.5 USDT is above the limit 100 USDT"


def test_vetting_twice_is_vetting_once() -> None:
    """The order's own commitment does not stand in its way the second time."""
    config = limits(max_position_size_usdt=D("50.05"), max_total_exposure_usdt=D("50.05"), max_positions=1)
    first = picture(config=config, ledger={"USDT": line(total="50.05")})
    held = judge(first).commitment
    assert held is not None
    assert judge(attrs.evolve(first, commitments={held.order_id: held})) == judge(first)


# -- form ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        order(quantity="0"),
        order(quantity="-1"),
        order(quantity="NaN"),
        order(quantity="Infinity"),
        order(quantity="1e30"),
        order(quantity="1e-1000"),
        order(quantity="0.100000000000000000001"),
        order(price="0"),
        order(price="-5"),
        order(price="sNaN"),
        order(quantity="0", quote_quantity=D(0)),
        order(quantity="0", quote_quantity=D("NaN")),
        order(quantity="1", quote_quantity=D(10)),
        order(quantity="NaN", quote_quantity=D(10)),
        order(quantity="0", quote_quantity=D(10), price="5"),
        order(price="5", order_type=OrderType.MARKET),
        order(order_type=OrderType.LIMIT),
        order(order_type=OrderType.LIMIT_MAKER),
        order(time_in_force=TimeInForce.GTC),
        order(price="5", order_type=OrderType.LIMIT_MAKER, time_in_force=TimeInForce.GTC),
        order(price="5", stop_price=D(4)),
        order(order_type="STOP_LOSS"),
        order(side="BUY"),  # type: ignore[arg-type]
    ],
)
def test_a_malformed_order_is_refused_before_anything_is_computed(wrong: Any) -> None:
    """Nonsense numbers, two sizes, a priced market order, words the house does not send: refused, never raised."""
    assert judge(picture(wrong)).verdict is not None
    assert reason(picture(wrong)) is Reason.RISK_MALFORMED


@pytest.mark.parametrize(
    "good",
    [
        order(price="50000"),
        order(price="50000", time_in_force=TimeInForce.IOC),
        order(price="50000", order_type=OrderType.LIMIT_MAKER),
        order(quantity="0", quote_quantity=D(50)),
    ],
)
def test_well_formed_orders_of_every_kind_pass(good: Any) -> None:
    """LIMIT with and without time in force, LIMIT_MAKER, MARKET by amount."""
    assert reason(picture(good)) is None


# -- symbol, rules, filters ---------------------------------------------------


def test_a_symbol_outside_the_settings_is_not_entered() -> None:
    """Even when its rules and prices are known."""
    assert reason(picture(symbols=frozenset({"ETHUSDT"}))) is Reason.RISK_SYMBOL_NOT_ALLOWED


def test_nothing_goes_out_without_the_symbols_rules() -> None:
    """Not even an exit: its filters are not known."""
    assert reason(picture(rules=None)) is Reason.RISK_RULES_MISSING
    leaving = picture(order(side=SELL), rules=None, positions={"s/BTCUSDT": book("1")})
    assert reason(leaving) is Reason.RISK_RULES_MISSING


def test_a_symbol_that_does_not_trade_is_not_entered() -> None:
    """HALT and BREAK are the venue's words for that."""
    assert reason(picture(rules=rules(status="BREAK"))) is Reason.RISK_SYMBOL_NOT_TRADING


@pytest.mark.parametrize(
    ("changed", "wanted", "expected"),
    [
        ({"tick": D("0.5")}, order(price="50000.25"), Reason.RISK_FILTER_PRICE),
        ({"price_min": D(60000)}, order(price="50000"), Reason.RISK_FILTER_PRICE),
        ({"price_max": D(40000)}, order(price="50000"), Reason.RISK_FILTER_PRICE),
        ({"tick": D(0), "price_min": D(0), "price_max": D(0)}, order(price="50000.123456"), None),
        ({"step": D("0.0005")}, order(quantity="0.0011"), Reason.RISK_FILTER_QUANTITY),
        ({"quantity_min": D("0.01")}, order(quantity="0.001"), Reason.RISK_FILTER_QUANTITY),
        ({"quantity_max": D("0.0005")}, order(quantity="0.001"), Reason.RISK_FILTER_QUANTITY),
        ({"market_quantity_max": D("0.0005")}, order(quantity="0.001"), Reason.RISK_FILTER_QUANTITY),
        ({"market_quantity_max": D("0.0005")}, order(quantity="0.001", price="50000"), None),
        ({"market_step": D("0.0007")}, order(quantity="0.001"), Reason.RISK_FILTER_QUANTITY),
        ({"market_step": D("0.0007")}, order(quantity="0.001", price="50000"), None),
        ({"step": D(0), "quantity_max": D(0)}, order(quantity="0.00123456789"), None),
        ({"step": D(1)}, order(quantity="0", quote_quantity=D("49.99")), None),
        ({"notional_min": D(60)}, order(quantity="0.001", price="50000"), Reason.RISK_FILTER_NOTIONAL),
        ({"notional_min": D(60)}, order(quantity="0.001"), Reason.RISK_FILTER_NOTIONAL),
        ({"notional_min": D(60)}, order(quantity="0", quote_quantity=D(50)), Reason.RISK_FILTER_NOTIONAL),
        ({"notional_min": D(60), "notional_min_applies_to_market": False}, order(quantity="0.001"), None),
        ({"price_min": D(50000), "price_max": D(50000)}, order(price="50000"), None),
        ({"quantity_min": D("0.001"), "quantity_max": D("0.001")}, order(quantity="0.001"), None),
        ({"notional_min": D(50)}, order(quantity="0.001", price="50000"), None),
        ({"order_types": ("LIMIT",)}, order(), Reason.RISK_MALFORMED),
        ({"order_types": ("LIMIT", "MARKET")}, order(), None),
    ],
)
def test_the_symbols_filters(changed: dict[str, Any], wanted: Any, expected: Reason | None) -> None:
    """Tick, step, bounds and notional as the symbol has them; a zero bound is not checked."""
    assert reason(picture(wanted, rules=rules(**changed))) is expected


def test_filters_bind_exits_too() -> None:
    """The venue would refuse them anyway."""
    held = {"s/BTCUSDT": book("1")}
    assert reason(picture(order(side=SELL, quantity="0.000015"), positions=held)) is Reason.RISK_FILTER_QUANTITY
    cheap = order(side=SELL, quantity="0.00001", price="50000")
    assert reason(picture(cheap, positions=held)) is Reason.RISK_FILTER_NOTIONAL


def test_an_estimated_notional_stops_no_exit() -> None:
    """The venue judges a market order by its own average price; only it can say no to leaving."""
    seen = picture(order(side=SELL, quantity="0.00001"), positions={"s/BTCUSDT": book("1")})
    assert judge(seen).reduces
    assert reason(seen) is None


# -- managed quantity ---------------------------------------------------------


def test_only_what_the_house_manages_can_be_sold() -> None:
    """0.01 managed, 2 BTC in the wallet: a sell of 0.02 is refused with its numbers, 0.01 passes."""
    house: dict[str, Any] = {
        "positions": {"s/BTCUSDT": book("0.01")},
        "ledger": {"USDT": line(total="1000"), "BTC": line("BTC", "2.01")},
    }
    answer = judge(picture(order(side=SELL, quantity="0.02"), **house))
    assert answer.verdict is not None
    assert answer.verdict.reason is Reason.RISK_POSITION_INSUFFICIENT
    assert answer.verdict.detail == "sell 0.02 BTCUSDT, but s manages 0.01, of which live orders hold 0"
    assert reason(picture(order(side=SELL, quantity="0.01"), **house)) is None


def test_a_flat_house_sells_nothing() -> None:
    """No shorts on spot; nor may one strategy sell what another manages."""
    assert reason(picture(order(side=SELL))) is Reason.RISK_POSITION_INSUFFICIENT
    others = {"other/BTCUSDT": book("1", strategy="other")}
    assert reason(picture(order(side=SELL), positions=others)) is Reason.RISK_POSITION_INSUFFICIENT


def test_live_sells_hold_what_they_may_still_sell() -> None:
    """0.01 managed, 0.006 promised to a resting sell: 0.004 are left, 0.005 are too many."""
    house: dict[str, Any] = {
        "positions": {"s/BTCUSDT": book("0.01")},
        "commitments": live("rest", "0.006", "60000", reduces=True, side=SELL),
    }
    assert reason(picture(order(side=SELL, quantity="0.005"), **house)) is Reason.RISK_POSITION_INSUFFICIENT
    assert reason(picture(order(side=SELL, quantity="0.004"), **house)) is None


def test_other_strategies_and_other_symbols_hold_nothing_of_mine() -> None:
    """Commitments count where they belong."""
    held = live("a", "5", "60000", reduces=True, side=SELL, strategy="other")
    held |= live("b", "5", "60000", reduces=True, side=SELL, symbol="ETHUSDT")
    seen = picture(order(side=SELL, quantity="0.01"), positions={"s/BTCUSDT": book("0.01")}, commitments=held)
    assert reason(seen) is None


def test_a_sell_by_amount_is_judged_by_what_it_may_sell_at_worst() -> None:
    """500 USDT at a bid of 49,990 less 0.1 % are a little more than 0.01 BTC."""
    sell = order(side=SELL, quantity="0", quote_quantity=D(500))
    assert reason(picture(sell, positions={"s/BTCUSDT": book("0.01")})) is Reason.RISK_POSITION_INSUFFICIENT
    answer = judge(picture(sell, positions={"s/BTCUSDT": book("0.0101")}))
    assert answer.verdict is None
    assert answer.commitment is not None
    assert D("0.01") < answer.commitment.ceiling < D("0.0101")


def test_a_sell_by_amount_needs_a_price_even_to_leave() -> None:
    """How much it would sell is not known without one."""
    sell = order(side=SELL, quantity="0", quote_quantity=D(500))
    assert reason(picture(sell, positions={"s/BTCUSDT": book("1")}, quote=None)) is Reason.RISK_PRICE_MISSING


def test_a_refused_sell_by_amount_names_the_amount() -> None:
    """The detail says what was asked."""
    verdict = judge(picture(order(side=SELL, quantity="0", quote_quantity=D(500)))).verdict
    assert verdict is not None
    assert verdict.detail == "sell for 500 BTCUSDT, but s manages 0, of which live orders hold 0"


def test_buying_back_a_short_reduces() -> None:
    """The judgement is by sign, so that a short (adopted, or of a later market) can always be left."""
    seen = picture(order(quantity="0.5"), positions={"s/BTCUSDT": book("-1")}, quote=None, ledger={}, day=None)
    assert judge(seen).reduces
    assert reason(seen) is None


def test_an_exit_passes_every_limit_and_needs_no_price() -> None:
    """Symbol removed, not trading, no quote, no day, no balance, loss limit reached: what is held can be left."""
    seen = picture(
        order(side=SELL, quantity="1", role=Role.EXIT),
        positions={"s/BTCUSDT": book("1", "90000")},
        symbols=frozenset(),
        rules=rules(status="BREAK"),
        quote=None,
        ledger={},
        day=RiskDay(day=START.date(), start={}, breached=True),
        valuation=valuation(),
        config=limits(max_order_value_usdt=D(1), max_positions=1),
    )
    answer = judge(seen)
    assert answer.verdict is None
    assert answer.reduces
    assert answer.commitment is not None
    assert (answer.commitment.remaining, answer.commitment.reduces, answer.commitment.worst_price) == (1, True, 0)


# -- price and valuation ------------------------------------------------------


def test_no_entry_without_a_quote() -> None:
    """A limit order's own price is no market price either; nor is half a book."""
    assert reason(picture(quote=None)) is Reason.RISK_PRICE_MISSING
    assert reason(picture(order(price="50000"), quote=None)) is Reason.RISK_PRICE_MISSING
    assert reason(picture(quote=quote(ask="0"))) is Reason.RISK_PRICE_MISSING
    assert reason(picture(quote=quote(bid="0"))) is Reason.RISK_PRICE_MISSING


@pytest.mark.parametrize(
    ("secs", "age", "expected"), [(5, 5, None), (5, 5.1, Reason.RISK_PRICE_STALE), (60, 5.1, None)]
)
def test_quote_age_max_secs_bounds_the_quotes_age(secs: int, age: float, expected: Reason | None) -> None:
    """Older than the setting is stale."""
    old = quote(age=age)
    seen = picture(quote=old, config=limits(quote_age_max_secs=secs), valuation=valuation((old,), (rules(),)))
    assert says("quote_fresh", seen) is expected
    assert reason(seen) is expected


@pytest.mark.parametrize(
    ("bid", "ask", "last", "plausible"),
    [
        ("49990", "50010", "50000", True),
        ("50000", "50000", "50000", True),
        ("50001", "50000", "50000", False),
        ("45000", "45000", "50000", True),
        ("44999", "44999", "50000", False),
        ("55000", "55000", "50000", True),
        ("55001", "55001", "50000", False),
    ],
)
def test_best_prices_and_the_last_trade_must_tell_one_story(bid: str, ask: str, last: str, plausible: bool) -> None:
    """Crossed, or more than a tenth away from the last trade, they carry no entry; an exit does not ask them."""
    odd = quote(bid=bid, ask=ask, last=last)
    expected = None if plausible else Reason.RISK_PRICE_IMPLAUSIBLE
    assert says("quote_plausible", picture(quote=odd)) is expected
    assert not next(rule for rule in RULES if rule.name == "quote_plausible").binds_exits


def test_no_entry_whose_value_is_not_known() -> None:
    """ETHBTC without BTCUSDT cannot be valued in USDT."""
    pair = rules("ETH", "BTC")
    worth = valuation((quote("ETHBTC", "0.05", "0.05"),), (pair,))
    seen = picture(order(symbol="ETHBTC", quantity="1"), valuation=worth, ledger={"BTC": line("BTC")})
    assert reason(seen) is Reason.RISK_VALUATION_MISSING


def test_the_price_path_of_an_entry_must_be_fresh() -> None:
    """The bridge's quote is a minute old."""
    pairs = (rules("ETH", "BTC"), rules())
    heard = quote("ETHBTC", "0.05", "0.05")
    wanted = order(symbol="ETHBTC", quantity="0.01")
    house: dict[str, Any] = {"ledger": {"BTC": line("BTC"), "USDT": line()}}
    old = picture(wanted, valuation=valuation((heard, quote(age=60)), pairs), **house)
    assert reason(old) is Reason.RISK_VALUATION_MISSING
    assert reason(picture(wanted, valuation=valuation((heard, quote()), pairs), **house)) is None


def test_no_entry_beside_a_position_without_a_price() -> None:
    """Neither exposure nor the day's loss would be known; a mark that is only old will do."""
    worth = valuation((quote(), quote("ETHUSDT", "2499", "2500", age=600)), (rules(), rules("ETH"), rules("BNB")))
    unknown = {"s/BNBUSDT": book("1", base="BNB")}
    assert reason(picture(valuation=worth, positions=unknown)) is Reason.RISK_PRICE_MISSING
    aged = {"s/ETHUSDT": book("0.01", "2500", base="ETH")}
    assert reason(picture(valuation=worth, positions=aged)) is None


def test_no_entry_beside_a_position_without_a_path() -> None:
    """A position in ETHEUR, and no way from EUR to USDT."""
    worth = valuation((quote(), quote("ETHEUR", "2000", "2000")), (rules(), rules("ETH", "EUR")))
    seen = picture(valuation=worth, positions={"s/ETHEUR": book("1", base="ETH", quote="EUR")})
    assert reason(seen) is Reason.RISK_VALUATION_MISSING


def test_no_entry_beside_a_live_entry_of_unknown_worth() -> None:
    """Without its symbol's rules, without a price, or without a path the exposure is not known."""
    elsewhere = live("a", "1", "7", symbol="XRPUSDT")
    assert reason(picture(commitments=elsewhere)) is Reason.RISK_RULES_MISSING
    unpriced = {"a": hold(order("a"), None, reduces=False)}
    assert reason(picture(commitments=unpriced)) is Reason.RISK_PRICE_MISSING
    worth = valuation((quote(),), (rules(), rules("ETH", "EUR")))
    pathless = live("a", "1", "2000", symbol="ETHEUR")
    assert reason(picture(valuation=worth, commitments=pathless)) is Reason.RISK_VALUATION_MISSING


# -- limits -------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "expected"), [("50.05", None), ("50.04", Reason.RISK_ORDER_VALUE_MAX)])
def test_max_order_value_usdt_bounds_one_order(limit: str, expected: Reason | None) -> None:
    """0.001 BTC at 50,050 is 50.05: exactly the limit passes."""
    assert reason(picture(config=limits(max_order_value_usdt=D(limit)))) is expected


def test_an_order_by_amount_is_worth_its_amount() -> None:
    """100 USDT at a limit of 100 pass, whatever rounding the quantity needs."""
    wanted = order(quantity="0", quote_quantity=D(100))
    assert reason(picture(wanted, config=limits(max_order_value_usdt=D(100)))) is None
    assert reason(picture(wanted, config=limits(max_order_value_usdt=D("99.99")))) is Reason.RISK_ORDER_VALUE_MAX


@pytest.mark.parametrize(("percent", "expected"), [("0.5005", None), ("0.5", Reason.RISK_PER_TRADE_MAX)])
def test_risk_per_trade_percent_bounds_an_entry_by_the_balance(percent: str, expected: Reason | None) -> None:
    """50.05 of 10,000 USDT is 0.5005 %."""
    assert reason(picture(config=limits(risk_per_trade_percent=D(percent)))) is expected


def test_risk_per_trade_needs_the_reporting_assets_balance() -> None:
    """Limits in EUR, and no EUR line in the ledger."""
    worth = valuation((quote(), quote("EURUSDT", "1.25", "1.25")), (rules(), rules("EUR")), "EUR")
    assert reason(picture(valuation=worth)) is Reason.RISK_BALANCE_MISSING


@pytest.mark.parametrize(("limit", "expected"), [("190.03", None), ("190.02", Reason.RISK_POSITION_MAX)])
def test_max_position_size_usdt_counts_position_and_live_entries(limit: str, expected: Reason | None) -> None:
    """0.002 BTC marked 49,990 (99.98), 0.001 held at 40,000 (40), and this order (50.05): 190.03."""
    seen = picture(
        positions={"s/BTCUSDT": book("0.002")},
        commitments=live("a", "0.001", "40000"),
        config=limits(max_position_size_usdt=D(limit)),
    )
    assert reason(seen) is expected


def test_strategies_positions_in_one_symbol_add_up_and_do_not_net() -> None:
    """Long 0.001 of one and short 0.001 of another are two risks."""
    positions = {"a/BTCUSDT": book("0.001", strategy="a"), "b/BTCUSDT": book("-0.001", strategy="b")}
    assert picture(positions=positions).exposures == {"BTCUSDT": D("99.98")}


def test_another_symbol_does_not_fill_this_ones_position() -> None:
    """The position limit is per symbol."""
    seen = picture(
        positions={"s/ETHUSDT": book("1", "2500", base="ETH")}, config=limits(max_position_size_usdt=D("50.05"))
    )
    assert reason(seen) is None


@pytest.mark.parametrize(("limit", "expected"), [("2649.05", None), ("2649.04", Reason.RISK_EXPOSURE_MAX)])
def test_max_total_exposure_usdt_counts_every_symbol(limit: str, expected: Reason | None) -> None:
    """1 ETH marked 2,499, a live BTC buy of 100 and this order of 50.05."""
    seen = picture(
        positions={"s/ETHUSDT": book("1", "2500", base="ETH")},
        commitments=live("a", "0.002", "50000"),
        config=limits(max_total_exposure_usdt=D(limit)),
    )
    assert reason(seen) is expected


def test_live_exits_are_no_exposure_of_their_own() -> None:
    """Their quantity is in the position still."""
    seen = picture(positions={"s/BTCUSDT": book("1")}, commitments=live("x", "1", "60000", True, side=SELL))
    assert seen.exposures == {"BTCUSDT": D(49990)}


@pytest.mark.parametrize(("limit", "expected"), [(1, Reason.RISK_POSITIONS_MAX), (2, None)])
def test_max_positions_counts_symbols_with_a_position(limit: int, expected: Reason | None) -> None:
    """ETH is held, flat books do not count, BTC would be the second symbol."""
    positions = {"s/ETHUSDT": book("1", "2500", base="ETH"), "s/BTCUSDT": book()}
    assert reason(picture(positions=positions, config=limits(max_positions=limit))) is expected


def test_max_positions_counts_live_entries_and_lets_a_held_symbol_grow() -> None:
    """A live ETH buy takes the one place; BTC may not enter, ETH may add."""
    house: dict[str, Any] = {
        "commitments": live("a", "1", "2000", symbol="ETHUSDT"),
        "config": limits(max_positions=1),
        "ledger": {"USDT": line()},
    }
    assert reason(picture(**house)) is Reason.RISK_POSITIONS_MAX
    assert reason(picture(order(symbol="ETHUSDT", quantity="1"), **house)) is None


def test_a_spent_commitment_takes_no_place() -> None:
    """Cancelled without a fill: it holds nothing any more."""
    cancelled = attrs.evolve(order("a", symbol="ETHUSDT", quantity="1", price="2000"), state=OrderState.CANCELLED)
    held = {"a": with_order(hold(cancelled, D(2000), False), cancelled)}
    seen = picture(commitments=held, config=limits(max_positions=1, max_total_exposure_usdt=D("50.05")))
    assert reason(seen) is None


# -- balance ------------------------------------------------------------------


@pytest.mark.parametrize(("total", "expected"), [("50.05", None), ("50.04", Reason.RISK_BALANCE_INSUFFICIENT)])
def test_an_entry_must_be_covered_at_its_worst_price(total: str, expected: Reason | None) -> None:
    """By the ledger's total of the quote asset."""
    assert says("balance_sufficient", picture(ledger={"USDT": line(total=total)})) is expected


def test_live_buys_take_their_part_of_the_balance() -> None:
    """100 USDT, of which a resting buy may spend 60: 50.05 are not there."""
    seen = picture(
        commitments=live("a", "0.002", "30000"), ledger={"USDT": line(total="100")}, config=limits()
    )
    verdict = CHECKS["balance_sufficient"](seen)
    assert verdict is not None
    assert verdict.reason is Reason.RISK_BALANCE_INSUFFICIENT
    assert verdict.detail == (
        "the order may cost 50.05 USDT, the balance is 100, of which live orders may spend 60"
    )


def test_live_sells_take_their_part_of_the_asset_they_sell() -> None:
    """Buying ETH with BTC while 0.9 of 1 BTC is being sold."""
    pairs, heard = (rules(), rules("ETH", "BTC")), (quote(), quote("ETHBTC", "0.05", "0.05"))
    seen = picture(
        order(symbol="ETHBTC", quantity="4", price="0.05"),
        valuation=valuation(heard, pairs),
        ledger={"BTC": line("BTC", "1"), "USDT": line(total="100000")},
        commitments=live("x", "0.9", "60000", True, side=SELL),
        positions={"s/BTCUSDT": book("0.9")},
        config=limits(),
    )
    assert reason(seen) is Reason.RISK_BALANCE_INSUFFICIENT
    assert reason(attrs.evolve(seen, commitments={})) is None


def test_what_a_live_order_brings_in_is_not_spent() -> None:
    """A sell of BTC spends no USDT, and a buy of BTC no BTC."""
    bringing = live("x", "0.9", "60000", True, side=SELL) | live("y", "0.001", "40000", symbol="ETHUSDT")
    covered = picture(commitments=bringing, positions={"s/BTCUSDT": book("0.9")}, ledger={"USDT": line(total="90.05")})
    assert says("balance_sufficient", covered) is None
    pairs, heard = (rules(), rules("ETH", "BTC")), (quote(), quote("ETHBTC", "0.05", "0.05"))
    seen = picture(
        order(symbol="ETHBTC", quantity="4", price="0.05"),
        valuation=valuation(heard, pairs),
        ledger={"BTC": line("BTC", "0.2")},
        commitments=live("z", "0.9", "60000"),
    )
    assert says("balance_sufficient", seen) is None


def test_an_unknown_balance_is_not_zero_and_not_enough() -> None:
    """No ledger line of the quote asset."""
    assert says("balance_sufficient", picture(ledger={})) is Reason.RISK_BALANCE_MISSING


def test_a_live_order_in_a_symbol_without_rules_makes_the_balance_unknown() -> None:
    """What it may spend cannot be said."""
    seen = picture(commitments=live("a", "1", "7", True, symbol="XRPUSDT", side=SELL))
    assert reason(seen) is Reason.RISK_RULES_MISSING


# -- daily loss ---------------------------------------------------------------


@pytest.mark.parametrize(("realised", "expected"), [("-49.99", None), ("-50", Reason.RISK_DAILY_LOSS)])
def test_max_daily_loss_usdt_ends_entries(realised: str, expected: Reason | None) -> None:
    """At exactly the limit no new exposure any more."""
    seen = picture(positions={"s/BTCUSDT": book(realized_total=D(realised))}, config=RealTradingConfig())
    assert reason(seen) is expected


def test_open_positions_count_at_their_mark() -> None:
    """0.001 BTC from 110,000, marked 49,990: a loss of 60.01 that nobody has realised."""
    seen = picture(positions={"s/BTCUSDT": book("0.001", "110000")}, config=limits(max_daily_loss_usdt=D(50)))
    verdict = CHECKS["daily_loss"](seen)
    assert verdict is not None
    assert verdict.detail == "the day's result is -60.01 USDT, limit -50"


def test_yesterdays_loss_is_not_todays() -> None:
    """Only what changed since the roll counts."""
    day = RiskDay(day=START.date(), start={"s/BTCUSDT": D(-500)})
    assert reason(picture(positions={"s/BTCUSDT": book(realized_total=D(-520))}, day=day)) is None


def test_a_breached_day_stays_shut_when_the_price_comes_back() -> None:
    """The mark recovering does not undo the breach."""
    day = RiskDay(day=START.date(), start={}, breached=True)
    assert reason(picture(day=day)) is Reason.RISK_DAILY_LOSS


def test_a_result_that_is_not_known_lets_nothing_in() -> None:
    """No day yet; an open position without a mark; a fee coin without a path."""
    assert reason(picture(day=None)) is Reason.RISK_VALUATION_MISSING
    markless = picture(positions={"s/BNBUSDT": book("1", base="BNB")})
    assert says("daily_loss", markless) is Reason.RISK_PRICE_MISSING
    pathless = picture(positions={"s/BTCUSDT": book(commissions={"BNB": D(1)})})
    assert reason(pathless) is Reason.RISK_VALUATION_MISSING


# -- each rule alone ----------------------------------------------------------

BARE = picture(rules=None, quote=None, valuation=valuation(), ledger={}, day=None, symbols=frozenset())


MAY_SHRUG = ("malformed", "symbol_trading", "positions_max")


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in MAY_SHRUG])
def test_a_rule_that_knows_nothing_says_no(name: str) -> None:
    """Asked by itself in a house that knows nothing, a rule refuses and never raises or shrugs."""
    seen = BARE if name != "position_sufficient" else attrs.evolve(BARE, order=order(side=SELL))
    assert says(name, seen) is not None


@pytest.mark.parametrize("name", ["position_max", "exposure_max"])
def test_limits_on_sums_say_why_the_sum_is_not_known(name: str) -> None:
    """They hand on what is missing."""
    assert says(name, picture(positions={"s/BNBUSDT": book("1", base="BNB")})) is Reason.RISK_PRICE_MISSING


def test_no_rule_raises_for_a_bare_house() -> None:
    """The three that may shrug do so."""
    assert [says(name, BARE) for name in MAY_SHRUG] == [None, None, None]


AMOUNTS = st.decimals(min_value=D("0.00001"), max_value=D(3), places=5)


@given(st.lists(st.tuples(st.sampled_from([Side.BUY, SELL]), AMOUNTS), max_size=12))
def test_no_sequence_of_orders_can_promise_more_than_there_is(wishes: list[tuple[Side, Decimal]]) -> None:
    """Whatever is asked, held sells never exceed the managed quantity, held buys never balance or exposure limit."""
    with localcontext(EXACT):
        config = limits(max_total_exposure_usdt=D(120000))
        held: dict[str, Commitment] = {}
        for number, (side, amount) in enumerate(wishes):
            wanted = order(f"o{number}", side=side, quantity=str(amount), price="50000")
            seen = picture(
                wanted,
                positions={"s/BTCUSDT": book("1")},
                ledger={"USDT": line(total="60000")},
                commitments=dict(held),
                config=config,
            )
            commitment = judge(seen).commitment
            if commitment is not None:
                held[wanted.id] = commitment
        sold = sum((c.remaining for c in held.values() if c.side is SELL), D(0))
        bought = sum((c.remaining for c in held.values() if c.side is Side.BUY), D(0))
        assert sold <= 1
        assert bought * 50000 <= 60000
        assert bought * 50000 + 49990 <= config.max_total_exposure_usdt


NASTY = st.one_of(
    st.sampled_from(["0", "-0", "NaN", "sNaN", "Infinity", "-Infinity", "1e-1000", "1e1000", "1e20", "1e-20"]).map(D),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.decimals(min_value=0, max_value=D("1e19"), places=20),
)


@given(
    quantity=NASTY,
    price=st.none() | NASTY,
    by_amount=st.none() | NASTY,
    kind=st.sampled_from([*OrderType, "STOP_LOSS"]),
    side=st.sampled_from(Side),
    managed=st.sampled_from(["0", "1", "-1"]),
)
def test_no_order_however_odd_makes_a_rule_raise(
    quantity: Decimal, price: Decimal | None, by_amount: Decimal | None, kind: str, side: Side, managed: str
) -> None:
    """Every order is either refused with a reason or held with a plain, positive commitment."""
    with localcontext(EXACT):
        wanted = attrs.evolve(
            order(side=side, order_type=kind), original_quantity=quantity, price=price, quote_quantity=by_amount
        )
        answer = judge(picture(wanted, positions={"s/BTCUSDT": book(managed)}, config=limits()))
        assert (answer.verdict is None) == (answer.commitment is not None)
        if answer.commitment is not None:
            assert answer.commitment.remaining > 0


def test_every_rule_has_a_name_of_its_own_and_form_comes_first() -> None:
    """The order of rules is the order in which a person reads refusals; of a malformed order nothing else is asked."""
    assert len(CHECKS) == len(RULES) == 17
    assert next(iter(CHECKS)) == "malformed"
    assert [rule.name for rule in RULES if rule.binds_exits] == [
        "malformed",
        "rules_present",
        "filters_kept",
        "position_sufficient",
        "price_present",
    ]
