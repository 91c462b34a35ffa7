"""Candles, tickers, trades and aggregates by value."""

from decimal import Decimal as D

import pytest

from realtrading.sim import intervals
from sim.core_kit import ANN, NOW, exchange, market, quote

MINUTE = 60_000
START = NOW - NOW % (60 * MINUTE)


@pytest.fixture
def made():
    """Trades at 100, 102 (three seconds later) and 101 (four minutes later)."""
    made = exchange()
    made.pair("BTCUSDT").history.open_at(D(99), START)
    for ms, price in ((1_000, "100"), (4_000, "102"), (4 * MINUTE, "101")):
        quote(made, [], [(price, "50")])
        made.place(ANN, market("BUY", "1"), START + ms)
    return made


def test_candles_fold_trades_and_carry_the_close_over_gaps(made):
    """Five one-minute candles: the first with two trades, three that carry 102 on, the last with one."""
    candles = made.klines("BTCUSDT", "1m", now_ms=START + 4 * MINUTE)
    assert [(row[0] - START, *row[1:5], row[8]) for row in candles] == [
        (0, "99.00000000", "102.00000000", "99.00000000", "102.00000000", 2),
        *((n * MINUTE, *["102.00000000"] * 4, 0) for n in (1, 2, 3)),
        (4 * MINUTE, "101.00000000", "101.00000000", "101.00000000", "101.00000000", 1),
    ]
    assert [row[6] - row[0] for row in candles] == [MINUTE - 1] * 5
    assert (candles[0][5], candles[0][7], candles[0][9]) == ("2.00000000", "202.00000000", "2.00000000")


def test_candles_by_start_by_end_and_by_limit(made):
    """`start` counts forward, `end` bounds, without them the latest `limit` candles are answered."""
    def starts(**given):
        return [(row[0] - START) // MINUTE for row in made.klines("BTCUSDT", "1m", now_ms=START + 4 * MINUTE, **given)]

    assert starts(limit=2) == [3, 4]
    assert starts(start=START + 1, limit=2) == [1, 2]
    assert starts(end=START + 2 * MINUTE, limit=2) == [1, 2]
    assert starts(start=START + 10 * MINUTE) == []


def test_longer_intervals_are_folded_from_shorter(made):
    """One five-minute candle holds all three trades; seconds show each of the first two."""
    [row] = made.klines("BTCUSDT", "5m", now_ms=START + 4 * MINUTE)
    assert (row[1], row[2], row[3], row[4], row[8]) == (
        "99.00000000", "102.00000000", "99.00000000", "101.00000000", 3
    )  # fmt: skip
    seconds = made.klines("BTCUSDT", "1s", start=START, end=START + 5_000, now_ms=START + 4 * MINUTE)
    assert [candle[8] for candle in seconds] == [0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("interval", "begin", "end"),
    [
        ("1h", 1_699_999_200_000, 1_700_002_800_000),
        ("3d", 1_699_833_600_000, 1_700_092_800_000),
        ("1w", 1_699_833_600_000, 1_700_438_400_000),
        ("1M", 1_698_796_800_000, 1_701_388_800_000),
    ],
)
def test_periods_begin_where_binance_begins_them(interval, begin, end):
    """Hours and days on the UTC clock, weeks on Monday, months on the first."""
    assert intervals.begin(interval, NOW) == begin
    assert intervals.following(interval, begin) == end
    assert intervals.back(interval, end, 1) == begin


def test_before_the_market_opens_there_is_nothing():
    """No candle, no stream candle, zero prices, an empty book."""
    made = exchange()
    assert made.klines("BTCUSDT", "1m", now_ms=NOW) == []
    assert made.stream_kline("BTCUSDT", "1m", NOW) is None
    assert made.ticker_price("BTCUSDT")["price"] == "0.00000000"
    assert made.ticker_24hr("BTCUSDT", NOW)["priceChangePercent"] == "0.000"
    assert made.depth("BTCUSDT")["bids"] == []


def test_day_ticker(made):
    """The rolling day: open, extremes, last, volumes and the change in per cent."""
    day = made.ticker_24hr("BTCUSDT", START + 5 * MINUTE)
    assert {name: day[name] for name in ("openPrice", "highPrice", "lowPrice", "lastPrice", "count", "volume")} == {
        "openPrice": "99.00000000", "highPrice": "102.00000000", "lowPrice": "99.00000000",
        "lastPrice": "101.00000000", "count": 3, "volume": "3.00000000",
    }  # fmt: skip
    assert (day["priceChange"], day["priceChangePercent"]) == ("2.00000000", "2.020")
    assert day["weightedAvgPrice"] == "101.00000000"
    assert (day["firstId"], day["lastId"], day["lastQty"]) == (1, 3, "1.00000000")


def test_average_price_is_weighted_over_five_minutes(made):
    """avgPrice weighs the last five minutes by volume and falls back to the last price when they were still."""
    assert made.avg_price("BTCUSDT", START + 4 * MINUTE)["price"] == "101.00000000"
    assert made.avg_price("BTCUSDT", START + 8 * MINUTE)["price"] == "101.00000000"
    assert made.avg_price("BTCUSDT", START + 60 * MINUTE)["price"] == "101.00000000"
    assert exchange().avg_price("BTCUSDT", NOW)["price"] == "0.00000000"


def test_one_taker_order_is_one_aggregate_per_price():
    """Fills of one order at one price are one aggTrade with the first and last trade id."""
    made = exchange()
    quote(made, [], [("100", "1"), ("101", "1")])
    made.place(ANN, {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "100.5",
                     "quantity": "1"}, NOW)  # fmt: skip
    made.place(1002, {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "100.5",
                      "quantity": "1"}, NOW)  # fmt: skip
    made.add_account(7, {"USDT": D(1000)})
    made.place(7, market("BUY", "4"), NOW)
    assert [(agg["p"], agg["q"], agg["f"], agg["l"], agg["m"]) for agg in made.agg_trades("BTCUSDT")] == [
        ("100.00000000", "1.00000000", 1, 1, False),
        ("100.50000000", "2.00000000", 2, 3, False),
        ("101.00000000", "1.00000000", 4, 4, False),
    ]
    assert [agg["a"] for agg in made.agg_trades("BTCUSDT", from_id=2, limit=1)] == [2]
    assert [row["id"] for row in made.trades("BTCUSDT", 2)] == [3, 4]
    assert [row["id"] for row in made.trades("BTCUSDT", 2, from_id=2)] == [2, 3]
