"""Binance's official payloads become the reports they mean, and broken ones become nothing worse than `Malformed`."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from realtrading.domain.reports import AccountReported, ExecutionReport, ExecutionReported, FlowReported
from realtrading.domain.values import Side
from realtrading.venue.fields import Unreadable, read_json
from realtrading.venue.market_data import rate_limits, symbol_rules
from realtrading.venue.translate import (
    EndOfStream,
    Malformed,
    account_balances,
    execution_from_order,
    trade_from_history,
    user_event,
)


def load(folder: Path, name: str) -> Any:
    return json.loads((folder / "binance" / name).read_text())


def report_of(folder: Path, name: str) -> ExecutionReport:
    heard = user_event(load(folder, f"user_stream/{name}.json")["event"], 3)
    assert isinstance(heard, ExecutionReported)
    assert heard.generation == 3
    return heard.report


def test_every_official_user_event_is_understood(shared_dir: Path) -> None:
    """No event of the documentation, nor any variant derived from its rules, is malformed."""
    names = sorted((shared_dir / "binance" / "user_stream").rglob("*.json"))
    assert len(names) > 25
    for name in names:
        payload = json.loads(name.read_text())
        for each in payload if isinstance(payload, list) else [payload]:
            heard = user_event(each.get("event", each), 1)
            assert not isinstance(heard, Malformed), (name.name, heard)


def test_new_order_event(shared_dir: Path) -> None:
    """An accepted order: no trade, status NEW, the venue's time exact to the millisecond, `N: null` no obstacle."""
    report = report_of(shared_dir, "executionReport.NEW_all_doc_fields")
    assert (report.symbol, report.client_id, report.exchange_order_id) == ("ETHBTC", "mUvoqJxFIILMdfAW5iGSOW", 4293153)
    assert (report.side, report.order_type, report.status) == (Side.BUY, "LIMIT", "NEW")
    assert (report.price, report.original_quantity) == (Decimal("0.10264410"), Decimal(1))
    assert report.venue_at == datetime(2017, 7, 7, 5, 34, 18, 657000, tzinfo=UTC)
    assert (report.trades, report.reason) == ((), "")


def test_cancelled_event_keeps_the_orders_own_id(shared_dir: Path) -> None:
    """The stream puts the cancel's id into `c`; the report carries the order's."""
    report = report_of(shared_dir, "derived/executionReport.CANCELED_after_partial")
    assert (report.client_id, report.status, report.executed_quantity) == ("rt-0001", "CANCELED", Decimal("0.002"))
    assert report.cumulative_quote == Decimal(120)


def test_replaced_event_keeps_the_orders_own_id(shared_dir: Path) -> None:
    """An amended order is still known by the id we gave it."""
    assert report_of(shared_dir, "derived/executionReport.REPLACED").client_id == "rt-0001"


def test_the_faqs_sequence_of_a_market_order_that_exhausted_the_book(shared_dir: Path) -> None:
    """NEW, two trades, EXPIRED with 4 of 6 filled: each event carries its own trade only, totals beside it."""
    heard = [user_event(each, 1) for each in load(shared_dir, "user_stream/sequence_market_expired.json")]
    reports = [each.report for each in heard if isinstance(each, ExecutionReported)]
    assert [each.status for each in reports] == ["NEW", "PARTIALLY_FILLED", "PARTIALLY_FILLED", "EXPIRED"]
    assert [each.executed_quantity for each in reports] == [0, 2, 4, 4]
    trades = [trade for each in reports for trade in each.trades]
    assert [(t.trade_id, t.quantity, t.price, t.commission, t.commission_asset) for t in trades] == [
        (7, Decimal(2), Decimal(1), Decimal("0.001"), "BNB"),
        (8, Decimal(2), Decimal(1), Decimal("0.001"), "BNB"),
    ]
    assert isinstance(heard[-1], AccountReported)
    assert heard[-1].balances["LTC"] == (Decimal("3011.1174567"), Decimal(0))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("EXPIRED_fok", "UNFILLED_FOK_ORDER_EXPIRED"),
        ("EXPIRED_ioc_remainder", "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("EXPIRED_price_range_rule", "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"),
        ("REJECTED", "WOULD_MATCH_IMMEDIATELY"),
        ("NEW", ""),
    ],
)
def test_the_venues_reason_is_kept(shared_dir: Path, name: str, reason: str) -> None:
    """Why an order ended is told in the venue's own word; NONE is no reason."""
    assert report_of(shared_dir, f"derived/executionReport.{name}").reason == reason


def test_self_trade_prevention_is_no_trade(shared_dir: Path) -> None:
    """TRADE_PREVENTION carries no fill and need not be terminal."""
    for path in sorted((shared_dir / "binance/user_stream/derived").glob("executionReport.TRADE_PREVENTION*.json")):
        assert report_of(shared_dir, f"derived/{path.stem}").trades == ()


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"X": "FROBNICATED"}, "X is a status nobody knows"),
        ({"x": "FROB"}, "x is an execution type nobody knows"),
        ({"x": "CANCELED"}, "x and X contradict each other"),
        ({"X": "FILLED"}, "x and X contradict each other"),
        ({"z": "1000"}, "z is more than q"),
    ],
    ids=repr,
)
def test_a_report_that_contradicts_itself_or_what_we_know_is_not_read(
    shared_dir: Path, change: dict[str, Any], detail: str
) -> None:
    """A word nobody has heard of, or fields that cannot all be true: the order has to be asked about instead."""
    event = load(shared_dir, "user_stream/derived/executionReport.NEW.json")["event"]
    assert isinstance(user_event(event | {"somethingNew": {"a": 1}}, 1), ExecutionReported)
    assert user_event(event | change, 1) == Malformed(what="executionReport", detail=detail)


TRADED = {"x": "TRADE", "X": "PARTIALLY_FILLED", "t": 5, "l": "0.001", "L": "60000.01", "Y": "60.00001", "z": "0.001",
          "Z": "60.00001", "q": "0.002", "n": "0", "N": "BNB"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"l": "0.002"}, "a trade is more than z and Z"),
        ({"l": "0.0005"}, "Y is not l times L"),
        ({"Z": "59"}, "a trade is more than z and Z"),
        ({"Y": "60.00002", "Z": "61"}, "Y is not l times L"),
        ({"L": "6000.01"}, "Y is not l times L"),
        ({"z": "0.0005"}, "a trade is more than z and Z"),
        ({"t": -1}, "a trade without id or quantity"),
        ({"l": "0"}, "a trade without id or quantity"),
    ],
    ids=repr,
)
def test_a_trade_whose_amounts_do_not_agree_is_not_read(shared_dir: Path, change: dict[str, Any], detail: str) -> None:
    """Price times quantity is the quote amount, and both are within the cumulative ones."""
    event = load(shared_dir, "user_stream/derived/executionReport.NEW.json")["event"] | TRADED
    assert isinstance(user_event(event, 1), ExecutionReported)
    assert isinstance(user_event(event | {"L": "60000.013", "Y": "60.000013", "Z": "60.000013"}, 1), ExecutionReported)
    assert user_event(event | change, 1) == Malformed(what="executionReport", detail=detail)


def test_money_moving_without_a_trade(shared_dir: Path) -> None:
    """A deposit of 100 BTC is a flow of +100 BTC at its own time."""
    heard = user_event(load(shared_dir, "user_stream/balanceUpdate.json")["event"], 1)
    assert isinstance(heard, FlowReported)
    assert (heard.asset, heard.amount) == ("BTC", Decimal(100))
    assert heard.venue_at == datetime(2019, 11, 8, 8, 11, 37, 68000, tzinfo=UTC)


@pytest.mark.parametrize("name", ["eventStreamTerminated", "serverShutdown"])
def test_the_ends_of_a_stream(shared_dir: Path, name: str) -> None:
    """Nothing more comes on this connection: at once, or soon."""
    told = user_event(load(shared_dir, f"user_stream/{name}.json")["event"], 1)
    assert told == EndOfStream(detail=name, soon=name == "serverShutdown")


BROKEN: list[dict[str, Any]] = [
    {"l": "-1"},
    {"q": "NaN"},
    {"p": "Infinity"},
    {"z": "1e400"},
    {"z": "1_000"},
    {"q": "\uff11"},
    {"q": 0.5},
    {"q": True},
    {"q": None},
    {"i": "12"},
    {"i": -1},
    {"i": 2**63},
    {"T": 0},
    {"T": 1719467634105000},
    {"T": "1719467634105"},
    {"S": "HOLD"},
    {"s": ""},
    {"s": "BTC\nUSDT"},
    {"c": None, "C": None},
    {"t": None},
    {"x": "TRADE"},
    TRADED | {"L": "0"},
    TRADED | {"n": "0.1", "N": None},
    TRADED | {"m": "false"},
]


@pytest.mark.parametrize("change", BROKEN, ids=repr)
def test_a_broken_event_is_malformed_and_says_no_more_than_the_field(shared_dir: Path, change: dict[str, Any]) -> None:
    """Each corruption is caught by value, and nothing of the payload but a field's name is repeated."""
    event = load(shared_dir, "user_stream/derived/executionReport.NEW.json")["event"] | change
    heard = user_event(event, 1)
    assert isinstance(heard, Malformed), heard
    assert heard.what == "executionReport"
    assert "60000" not in heard.detail


@pytest.mark.parametrize("event", [None, 3, [], "x", {}, {"e": 5}, {"e": "aNewKind"}, {"e": "balanceUpdate"}], ids=repr)
def test_what_is_no_known_event_is_malformed(event: object) -> None:
    """Any JSON at all may come; none of it raises."""
    assert isinstance(user_event(event, 1), Malformed)


@pytest.mark.parametrize(
    "body", ['{"a": NaN}', '{"a": -Infinity}', b"\xff\xfe", "", "{", "[" * 100_000], ids=lambda b: repr(b[:9])
)
def test_json_that_is_not_json(body: str | bytes) -> None:
    """NaN, Infinity, bad encoding, half an object and absurd nesting are unreadable, not a crash."""
    with pytest.raises(Unreadable):
        read_json(body)


def test_a_json_fraction_never_becomes_a_float() -> None:
    """A bare number with a point stays text, so that no amount ever was a float."""
    assert read_json('{"a": 0.1}') == {"a": "0.1"}


def test_full_answer_with_fills(shared_dir: Path) -> None:
    """The documentation's market sell: five fills, taker, priced exactly, with their fees. (Its own sum is none.)"""
    answer = load(shared_dir, "rest/post_order.full.json") | {"cummulativeQuoteQty": "39983.00000000"}
    report = execution_from_order(answer)
    assert (report.status, report.executed_quantity, report.side) == ("FILLED", Decimal(10), Side.SELL)
    assert [(t.trade_id, t.quote_quantity, t.commission, t.is_maker) for t in report.trades[:2]] == [
        (56, Decimal(4000), Decimal(4), False),
        (57, Decimal(19995), Decimal("19.995"), False),
    ]
    assert sum(t.quantity for t in report.trades) == report.executed_quantity


SPLIT = [
    {"price": "0.05213", "qty": "0.0123", "commission": "0", "commissionAsset": "ETH", "tradeId": 1},
    {"price": "0.05214", "qty": "0.0011", "commission": "0", "commissionAsset": "ETH", "tradeId": 2},
]


@pytest.mark.parametrize(
    ("told", "amounts"),
    [
        # 0.000641199 and 0.000057354: the venue keeps eight decimals
        ("0.00069854", [Decimal("0.00064119"), Decimal("0.00005735")]),
        ("0.000698553", [Decimal("0.000641199"), Decimal("0.000057354")]),
        ("0.00069855", []),
    ],
    ids=["cut off", "exact", "neither"],
)
def test_what_fills_of_an_answer_moved_in_quote(shared_dir: Path, told: str, amounts: list[Decimal]) -> None:
    """An answer tells no fill's quote amount: the way of rounding that makes its sum is taken; if none does, no fill is,
    so that the order's trades are asked for."""
    answer = load(shared_dir, "rest/post_order.full.json") | {"fills": SPLIT, "cummulativeQuoteQty": told}
    assert [trade.quote_quantity for trade in execution_from_order(answer).trades] == amounts


def test_every_full_and_result_answer_is_understood(shared_dir: Path) -> None:
    """All of the documentation's order answers with a status translate; the ACK shape, which has none, is unreadable."""
    names = sorted((shared_dir / "binance/rest").glob("post_order.full*.json"))
    for name in [*names, shared_dir / "binance/rest/post_order.result.json"]:
        assert execution_from_order(json.loads(name.read_text())).status
    with pytest.raises(Unreadable):
        execution_from_order(load(shared_dir, "rest/post_order.ack.json"))


def test_cancel_answer_names_the_order_not_the_cancel(shared_dir: Path) -> None:
    """`clientOrderId` of a cancel's answer is the cancel's; the report has the order's."""
    report = execution_from_order(load(shared_dir, "rest/delete_order.json"))
    assert (report.client_id, report.exchange_order_id, report.status) == ("myOrder1", 4, "CANCELED")


def test_query_and_list_rows(shared_dir: Path) -> None:
    """GET /order and the rows of open and all orders translate alike."""
    assert execution_from_order(load(shared_dir, "rest/get_order.json")).original_quantity == Decimal(1)
    for name in ("get_openOrders", "get_allOrders"):
        for row in load(shared_dir, f"rest/{name}.json"):
            assert execution_from_order(row).client_id == "myOrder1"


def test_unavailable_old_quote_total_reads_as_zero(shared_dir: Path) -> None:
    """Old history says -1 for "not available"; that is not an amount of money."""
    row = load(shared_dir, "rest/get_order.json") | {"cummulativeQuoteQty": "-1.0"}
    assert execution_from_order(row).cumulative_quote == 0


def test_history_trade(shared_dir: Path) -> None:
    """A row of myTrades: buyer and maker flags become side and role."""
    trade = trade_from_history(load(shared_dir, "rest/get_myTrades.json")[0])
    assert (trade.trade_id, trade.side, trade.is_maker) == (28457, Side.BUY, False)
    assert (trade.quote_quantity, trade.commission, trade.commission_asset) == (Decimal("48.000012"), Decimal("10.1"), "BNB")


def test_account(shared_dir: Path) -> None:
    """Free and locked of each asset."""
    assert account_balances(load(shared_dir, "rest/get_account.json"))["BTC"] == (Decimal("4723846.89208129"), Decimal(0))


def test_symbol_rules_from_filters(shared_dir: Path) -> None:
    """Filters become rules; of two notional filters the stricter counts; a symbol without filters has zeros."""
    symbol = load(shared_dir, "rest/get_exchangeInfo.json")["symbols"][0]
    bare = symbol_rules(symbol)
    assert (bare.base, bare.quote, bare.status, bare.tick, bare.notional_min) == ("ETH", "BTC", "TRADING", 0, 0)
    rules = symbol_rules(
        symbol
        | {
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "900.0", "stepSize": "0.001"},
                {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "75.5", "stepSize": "0"},
                {"filterType": "MIN_NOTIONAL", "minNotional": "5", "applyToMarket": False, "avgPriceMins": 5},
                {"filterType": "NOTIONAL", "minNotional": "10", "applyMinToMarket": True, "maxNotional": "9"},
                {"filterType": "A_NEW_FILTER", "whatever": [1]},
            ]
        }
    )
    assert (rules.tick, rules.step, rules.quantity_max) == (Decimal("0.01"), Decimal("0.001"), Decimal(900))
    assert (rules.notional_min, rules.notional_min_applies_to_market) == (Decimal(10), True)
    assert rules.market_quantity_max == Decimal("75.5")


def test_rate_limits_by_name(shared_dir: Path) -> None:
    """Limits and counts are keyed as the gauges are; rows of an unknown kind are left out."""
    rows = load(shared_dir, "ws_api/_general.response.ok.json")["rateLimits"]
    assert rate_limits(rows, "count") == {"orders_10s": 12, "orders_1d": 4043, "weight_1m": 321}
    assert rate_limits([*rows, {"rateLimitType": "NEW"}, 7, {}], "limit")["weight_1m"] == 6000
    assert rate_limits(None, "limit") == {}
