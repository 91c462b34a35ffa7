"""Every answer and event against the official payloads: the same keys, the same value types."""

from decimal import Decimal as D

import pytest

from sim.core_kit import ANN, BOB, NOW, TENTH_PERCENT, exchange, limit, market, official, quote, rules, shape

RESTING = "BTCUSDT-resting"


@pytest.fixture
def made():
    """One order filled by two trades, one resting, one cancelled with a partial fill."""
    made = exchange(fee=TENTH_PERCENT)
    made.pair("BTCUSDT").history.open_at(D(100), NOW - 1)
    quote(made, [("99", "5")], [("100", "1"), ("101", "5")])
    made.place(ANN, limit("BUY", "99.5", "1", newClientOrderId=RESTING), NOW)
    made.place(ANN, market("BUY", "2"), NOW + 1)
    made.core.tell_touch(made.pair("BTCUSDT"))
    return made


def assert_same(ours, theirs, *, without=(), extra=()):
    """Equal shapes after leaving out what does not apply and taking what our case adds."""
    kept = {key: value for key, value in theirs.items() if key not in without}
    ours = {key: value for key, value in ours.items() if key not in extra}
    assert shape(ours) == shape(kept)


def test_place_answers(made, shared_dir):
    """ACK, RESULT and FULL have exactly the official fields; LIMIT and MARKET default to FULL, LIMIT_MAKER to ACK."""
    full = made.place(BOB, market("SELL", "1"), NOW)
    for kind in ("ack", "result", "full"):
        assert_same(made.trim(full, kind.upper()), official(shared_dir, f"rest/post_order.{kind}"))
    assert made.default_resp_type("MARKET") == made.default_resp_type("LIMIT") == "FULL"
    assert made.default_resp_type("LIMIT_MAKER") == "ACK"


def test_expired_and_prevented_place_answers(made, shared_dir):
    """The official EXPIRED and STP answers plus expiryReason, origQuoteOrderQty and makerSymbol, which came later."""
    partial = made.place(ANN, market("BUY", "50"), NOW)
    assert_same(
        partial, official(shared_dir, "rest/post_order.full.market_expired_partial"),
        extra=("expiryReason", "origQuoteOrderQty"),
    )  # fmt: skip
    made.cancel_all(ANN, {"symbol": "BTCUSDT"}, NOW)
    quote(made, [], [])
    made.place(ANN, limit("BUY", "99", "1"), NOW)
    taker = made.place(ANN, limit("SELL", "99", "1", selfTradePreventionMode="EXPIRE_TAKER"), NOW)
    sample = official(shared_dir, "rest/post_order.full.stp_expire_taker_taker")
    for match in taker["preventedMatches"]:
        assert match.pop("makerSymbol") == "BTCUSDT"
    assert_same(taker, sample, extra=("origQuoteOrderQty",))


def test_order_queries(made, shared_dir):
    """GET order, openOrders and allOrders have the official fields, conditional ones only when they apply."""
    sample = official(shared_dir, "rest/get_order")
    assert_same(made.query(ANN, {"symbol": "BTCUSDT", "origClientOrderId": RESTING}, NOW), sample)
    assert_same(made.open_orders(ANN, {}, NOW)[0], official(shared_dir, "rest/get_openOrders")[0])
    assert_same(made.all_orders(ANN, {"symbol": "BTCUSDT"}, NOW)[1], official(shared_dir, "rest/get_allOrders")[0])
    made.place(ANN, limit("SELL", "99.5", "1", selfTradePreventionMode="EXPIRE_MAKER"), NOW)
    prevented = made.query(ANN, {"symbol": "BTCUSDT", "orderId": "1"}, NOW)
    assert_same(prevented, official(shared_dir, "rest/get_order.stp_expire_maker_maker"))


def test_cancel_answers(made, shared_dir):
    """DELETE order and DELETE openOrders have the official fields."""
    made.place(ANN, limit("BUY", "98", "1"), NOW)
    one = made.cancel(ANN, {"symbol": "BTCUSDT", "origClientOrderId": RESTING}, NOW)
    assert_same(one, official(shared_dir, "rest/delete_order"))
    assert_same(made.cancel_all(ANN, {"symbol": "BTCUSDT"}, NOW)[0], official(shared_dir, "rest/delete_openOrders")[0])


def test_account_answers(made, shared_dir):
    """Account, commission, my trades and prevented matches have the official fields."""
    assert shape(made.account(ANN, {}, NOW)) == shape(official(shared_dir, "rest/get_account"))
    assert shape(made.commission(ANN, {"symbol": "BTCUSDT"}, NOW)) == shape(
        official(shared_dir, "rest/get_account_commission")
    )
    assert shape(made.my_trades(ANN, {"symbol": "BTCUSDT"}, NOW)) == shape(official(shared_dir, "rest/get_myTrades"))
    made.place(ANN, limit("SELL", "99.5", "1"), NOW)
    matches = made.prevented_matches(ANN, {"symbol": "BTCUSDT", "preventedMatchId": "1"}, NOW)
    assert shape(matches) == shape(official(shared_dir, "rest/get_myPreventedMatches"))


PUBLIC = [
    ("rest/get_depth", lambda made: made.depth("BTCUSDT")),
    ("rest/get_trades", lambda made: made.trades("BTCUSDT")),
    ("rest/get_aggTrades", lambda made: made.agg_trades("BTCUSDT")),
    ("rest/get_avgPrice", lambda made: made.avg_price("BTCUSDT", NOW)),
    ("rest/get_ticker_price.one", lambda made: made.ticker_price("BTCUSDT")),
    ("rest/get_ticker_price.many", lambda made: made.ticker_price()),
    ("rest/get_ticker_bookTicker.one", lambda made: made.ticker_book("BTCUSDT")),
    ("rest/get_ticker_bookTicker.many", lambda made: made.ticker_book(["BTCUSDT"])),
    ("rest/get_ticker_24hr.full.one", lambda made: made.ticker_24hr("BTCUSDT", NOW + 2)),
    ("rest/get_ticker_24hr.full.many", lambda made: made.ticker_24hr(None, NOW + 2)),
    ("rest/get_ticker_24hr.mini.one", lambda made: made.ticker_24hr("BTCUSDT", NOW + 2, mini=True)),
]


@pytest.mark.parametrize(("name", "ask"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_public_answers(made, shared_dir, name, ask):
    """Market data answers have the official fields and types."""
    assert shape(ask(made)) == shape(official(shared_dir, name))


def test_klines_are_arrays_of_twelve(made, shared_dir):
    """A kline is Binance's array: times and count are numbers, everything else strings."""
    ours = made.klines("BTCUSDT", "1m", limit=1, now_ms=NOW + 2)
    theirs = official(shared_dir, "rest/get_klines")
    assert [[type(each) for each in row] for row in ours] == [[type(each) for each in row] for row in theirs]


def test_exchange_info(made, shared_dir):
    """Top level, rate limits and symbol have the official fields; each filter those of the official filter samples."""
    ours = made.exchange_info(now_ms=NOW)
    theirs = official(shared_dir, "ws_api/exchangeInfo.response")["result"]
    assert ours.keys() == theirs.keys()
    assert shape(ours["rateLimits"][0]) == shape(theirs["rateLimits"][0])
    assert shape(ours["symbols"][0] | {"filters": []}) == shape(theirs["symbols"][0] | {"filters": []})
    samples = {each["filterType"]: each["example"] for each in official(shared_dir, "filters")["filters"]}
    for each in (*ours["symbols"][0]["filters"], *rules(notional_filter="MIN_NOTIONAL").filters()):
        assert shape(each) == shape(samples[each["filterType"]])


def reports(made):
    return [event for kind, _, event in made.take_events() if kind == "user" and event["e"] == "executionReport"]


def test_execution_reports(made, shared_dir):
    """NEW, TRADE and EXPIRED carry exactly the fields of the official sequence, EXPIRED its reason as well."""
    made.take_events()
    made.place(ANN, market("BUY", "50"), NOW)
    new, *trades, expired = reports(made)
    assert_same(new, official(shared_dir, "user_stream/sequence_market_expired.0_NEW"))
    assert_same(new, official(shared_dir, "user_stream/executionReport.NEW_all_doc_fields"), without=("v",))
    assert_same(trades[0], official(shared_dir, "user_stream/sequence_market_expired.1_TRADE_partial_1"))
    assert_same(expired, official(shared_dir, "user_stream/sequence_market_expired.3_EXPIRED_remainder"), extra=("eR",))
    assert (new["w"], trades[0]["w"], trades[0]["M"], expired["w"], expired["t"], expired["N"]) == (
        True, False, True, False, -1, None
    )  # fmt: skip


def test_prevention_and_cancel_reports(made, shared_dir):
    """TRADE_PREVENTION has the documented STP fields; CANCELED those of every report."""
    made.take_events()
    made.place(ANN, limit("SELL", "99.5", "1"), NOW)
    stopped = [report for report in reports(made) if report["x"] == "TRADE_PREVENTION"]
    assert_same(stopped[0], official(shared_dir, "user_stream/derived/executionReport.TRADE_PREVENTION_expired_in_match"))
    made.place(ANN, limit("BUY", "98", "1"), NOW)
    made.take_events()
    made.cancel_all(ANN, {"symbol": "BTCUSDT"}, NOW)
    sample = official(shared_dir, "user_stream/derived/executionReport.CANCELED")
    assert_same(reports(made)[0], sample, extra=("W",))


def test_balance_events(made, shared_dir):
    """outboundAccountPosition and balanceUpdate have the official fields."""
    made.take_events()
    made.deposit(BOB, "BTC", D(1), NOW)
    update, position = [event for kind, _, event in made.take_events() if kind == "user"]
    assert_same(update, official(shared_dir, "user_stream/balanceUpdate"))
    assert_same(position, official(shared_dir, "user_stream/outboundAccountPosition"))


def test_timed_streams(made, shared_dir):
    """Ticker, mini ticker, average price, candle and both depth streams in the official shapes."""
    now = NOW + 2
    names = {
        "individual_symbol_ticker_streams": made.stream_ticker("BTCUSDT", now),
        "individual_symbol_mini_ticker_stream": made.stream_mini_ticker("BTCUSDT", now),
        "average_price": made.stream_avg_price("BTCUSDT", now),
        "kline_candlestick_streams_for_utc": made.stream_kline("BTCUSDT", "1m", now),
        "partial_book_depth_streams": made.stream_partial_depth("BTCUSDT", 5),
        "diff_depth_stream": made.depth_update("BTCUSDT", None, now)[1],
    }
    for name, ours in names.items():
        assert_same(ours, official(shared_dir, f"market_stream/{name}"))


def test_depth_updates_lead_from_one_book_to_the_next(made):
    """Applying each update to the last book gives the present one; ids join; no change, no update."""
    view, _ = made.depth_update("BTCUSDT", None, NOW)
    book = {side: {D(p): D(q) for p, q in made.depth("BTCUSDT")[side]} for side in ("bids", "asks")}
    assert made.depth_update("BTCUSDT", view, NOW)[1] is None
    last = view.update_id
    for price in ("98", "97", "99.5"):
        made.place(ANN, limit("BUY", price, "1"), NOW)
        made.place(BOB, market("SELL", "0.7"), NOW)
        view, update = made.depth_update("BTCUSDT", view, NOW)
        assert update["U"] == last + 1 <= update["u"]
        last = update["u"]
        for side, key in (("bids", "b"), ("asks", "a")):
            book[side] |= {D(price): D(qty) for price, qty in update[key]}
        now = made.depth("BTCUSDT")
        assert {side: {p: q for p, q in levels.items() if q} for side, levels in book.items()} == {
            side: {D(p): D(q) for p, q in now[side]} for side in ("bids", "asks")
        }


STREAMS = {
    "trade": "trade_streams",
    "aggTrade": "aggregate_trade_streams",
    "bookTicker": "individual_symbol_book_ticker_streams",
}


def test_market_events(made, shared_dir):
    """A trade, its aggregate and the changed touch are events in the official stream shapes."""
    seen = {event["kind"]: event["data"] for kind, _, event in made.take_events() if kind == "market"}
    assert seen.keys() == STREAMS.keys()
    for kind, name in STREAMS.items():
        assert_same(seen[kind], official(shared_dir, f"market_stream/{name}"))
