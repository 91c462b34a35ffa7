"""The market driver: the book around the tape, resting orders met by recorded trades, and the end of the tape."""

import time
from decimal import Decimal as D

import attrs
import pytest

from realtrading.sim.exchange import Exchange
from realtrading.sim.market import REFILL_MS, Market
from realtrading.sim.tape import Tape
from realtrading.sim.tape_file import Row
from sim.core_kit import ANN, BOB, FREE, NOW, funds, limit, market, user_events


def tape(*trades, base="BTC", quote="USDT"):
    """A tape of (ms, price, qty, side)."""
    rows = [Row(D(price), D(qty), 1_600_000_000_000 + ms, side == "BUY") for ms, price, qty, side in trades]
    return Tape.of(base + quote, base, quote, rows)


def start(played, *, seed=1, loop=False, fee=FREE):
    made = Exchange([played.rules()], fee=fee, now_ms=NOW)
    for uid in (ANN, BOB):
        made.add_account(uid, {played.base: D(1_000_000), played.quote: D(1_000_000)})
    driver = Market(made, played, played.symbol, seed, loop=loop)
    driver.open(NOW)
    return made, driver


FALLING = tape(
    (0, "100.00", "1.000", "BUY"), (100, "99.99", "0.500", "SELL"), (200, "99.90", "0.300", "SELL"),
    (300, "99.90", "0.400", "BUY"), (400, "99.80", "2.001", "SELL"),
)  # fmt: skip


def test_opening_quotes_both_sides_without_a_trade():
    """Several levels per side around the first price, a last price, a candle, and no trade yet."""
    made, driver = start(FALLING)
    book = made.depth("BTCUSDT", 50)
    assert len(book["bids"]) == len(book["asks"]) == 12
    assert book["asks"][0][0] == "100.00000000"
    assert D(book["bids"][0][0]) < 100
    assert made.ticker_price("BTCUSDT")["price"] == "100.00000000"
    assert len(made.klines("BTCUSDT", "1m", now_ms=NOW)) == 1
    assert made.trades("BTCUSDT") == []
    assert (driver.position, driver.finished) == (0, False)


def test_play_until_plays_by_recorded_time_and_stamps_the_present():
    """Trades up to the offset are played once, carry the tape's price, quantity and side, and the given clock."""
    made, driver = start(FALLING)
    assert driver.play_until(150, NOW + 7) == 2
    assert driver.play_until(150, NOW + 8) == 0
    assert driver.position == 2
    assert [(row["price"], row["qty"], row["isBuyerMaker"], row["time"]) for row in made.trades("BTCUSDT")] == [
        ("100.00000000", "1.00000000", False, NOW + 7), ("99.99000000", "0.50000000", True, NOW + 7)
    ]  # fmt: skip
    assert made.ticker_book("BTCUSDT")["bidPrice"] == "99.99000000"


def test_step_plays_exactly_so_many():
    """step(n) plays the next n trades, fewer at the end."""
    made, driver = start(FALLING)
    assert [driver.step(2, NOW), driver.step(2, NOW), driver.step(5, NOW)] == [2, 2, 1]
    assert driver.finished
    assert len(made.trades("BTCUSDT")) == 5


def test_a_bid_at_the_touch_rests_and_is_filled_bit_by_bit():
    """A buy at the bid never takes; recorded sells at or through its price fill it by their own quantities, at its
    price, and what they do not sell to it prints at the tape's price."""
    made, driver = start(FALLING)
    driver.step(1, NOW)
    answer = made.place(ANN, limit("BUY", "99.99", "2"), NOW)
    assert (answer["status"], answer["executedQty"]) == ("NEW", "0.00000000")
    made.take_events()
    driver.step(4, NOW + 50)
    fills = [event for event in user_events(made, ANN) if event["x"] == "TRADE"]
    assert [(event["l"], event["L"], event["m"], event["X"]) for event in fills] == [
        ("0.50000000", "99.99000000", True, "PARTIALLY_FILLED"),
        ("0.30000000", "99.99000000", True, "PARTIALLY_FILLED"),
        ("0.40000000", "99.99000000", True, "PARTIALLY_FILLED"),
        ("0.80000000", "99.99000000", True, "FILLED"),
    ]
    assert made.trades("BTCUSDT", 1)[0] | {"id": 0} == {
        "id": 0, "price": "99.80000000", "qty": "1.20100000", "quoteQty": "119.85980000", "time": NOW + 50,
        "isBuyerMaker": True, "isBestMatch": True,
    }  # fmt: skip
    assert funds(made, ANN)["BTC"] == ("1000002", "0")


def test_a_buyer_at_the_price_of_a_bid_does_not_fill_it():
    """Two buyers at one price do not trade with each other; a print above the bid's price does not either."""
    made, driver = start(tape((0, "100", "1", "SELL"), (1, "99", "1", "BUY"), (2, "99.01", "1", "BUY")))
    made.place(ANN, limit("BUY", "99", "1"), NOW)
    driver.step(3, NOW)
    assert made.open_orders(ANN, {}, NOW)[0]["executedQty"] == "0.00000000"


def test_a_sell_is_filled_when_the_tape_buys_through_it():
    """The mirror case on the ask side, and time priority between two accounts at one price."""
    made, driver = start(tape((0, "100", "1.0", "SELL"), (1, "100.5", "1.5", "BUY"), (2, "101.01", "0.2", "SELL")))
    driver.step(1, NOW)
    made.place(ANN, limit("SELL", "100.5", "1"), NOW)
    made.place(BOB, limit("SELL", "100.5", "1"), NOW)
    driver.step(2, NOW)
    done = [made.all_orders(uid, {"symbol": "BTCUSDT"}, NOW)[0]["executedQty"] for uid in (ANN, BOB)]
    assert done == ["1.00000000", "0.70000000"]


def test_market_orders_fill_over_a_few_levels_and_the_book_recovers():
    """An ordinary market order is filled at once; the house restores its quotes a second later, or with the next
    move of the tape."""
    made, driver = start(FALLING)
    before = made.depth("BTCUSDT", 50)
    qty = D(before["asks"][0][1]) + D(before["asks"][1][1])
    answer = made.place(ANN, market("BUY", str(qty)), NOW)
    assert (answer["status"], len(answer["fills"])) == ("FILLED", 2)
    assert made.depth("BTCUSDT", 50)["asks"] == before["asks"][2:]
    driver.play_until(-1, NOW + 10)
    driver.play_until(-1, NOW + 9 + REFILL_MS)
    assert len(made.depth("BTCUSDT", 50)["asks"]) == 10
    driver.play_until(-1, NOW + 10 + REFILL_MS)
    assert made.depth("BTCUSDT", 50)["asks"] == before["asks"]


def test_buying_and_selling_at_once_costs_the_spread():
    """There is no free lunch: a market buy sold at once brings less than it cost, on every step of the tape."""
    played = Tape.synthetic("BTCUSDT", 3, trades=200)
    made, driver = start(played)
    while driver.step(1, NOW):
        bought = made.place(ANN, market("BUY", "0.01"), NOW)
        sold = made.place(ANN, market("SELL", "0.01"), NOW)
        assert D(sold["cummulativeQuoteQty"]) < D(bought["cummulativeQuoteQty"])


def test_quotes_step_back_behind_a_resting_order():
    """While a large bid is not filled the house does not offer below it, and the book is never crossed."""
    made, driver = start(tape((0, "100", "1", "BUY"), (1, "90", "0.5", "SELL"), (2, "80.01", "0.5", "SELL")))
    made.place(ANN, limit("BUY", "99.99", "50"), NOW)
    driver.step(3, NOW)
    book = made.depth("BTCUSDT", 5)
    assert book["bids"][0] == ["99.99000000", "49.00000000"]
    assert D(book["asks"][0][0]) == D("100.00")


def test_at_the_end_the_book_freezes():
    """After the last trade the quotes stay, nothing trades, and orders still meet the standing quotes."""
    made, driver = start(FALLING)
    driver.play_until(10_000, NOW)
    book, trades = made.depth("BTCUSDT", 50), made.trades("BTCUSDT")
    assert driver.finished
    assert driver.play_until(99_999, NOW + 60_000) == 0
    assert made.depth("BTCUSDT", 50)["bids"] == book["bids"]
    assert made.trades("BTCUSDT") == trades
    assert made.place(ANN, market("SELL", "1"), NOW + 60_000)["status"] == "FILLED"


def test_a_looping_market_never_ends():
    """With `loop` the tape begins again, and the offset goes on counting."""
    _, driver = start(FALLING, loop=True)
    assert driver.play_until(400, NOW) == 5
    assert driver.play_until(400 + 1 + 250, NOW) == 3
    assert not driver.finished
    assert driver.played == 8


def test_the_same_seed_is_the_same_market():
    """Two runs with one seed are equal to the last event; another seed quotes other quantities."""
    runs = []
    for seed in (4, 4, 5):
        made, driver = start(Tape.synthetic("ETHUSDT", 2, trades=300), seed=seed)
        driver.step(300, NOW)
        runs.append(made.take_events())
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


COINS = [
    ("ETH", "BTC", "0.06", "0.001"), ("PEPE", "USDT", "0.00001234", "1000000"), ("SHIB", "TRY", "0.00000077", "500000"),
    ("BTC", "JPY", "6000000", "0.0001"), ("USDT", "TRY", "34.50", "1"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "quote", "price", "qty"), COINS)
def test_any_coin_can_be_traded(base, quote, price, qty):
    """Other quotes, eight-decimal prices and whole quantities: market and limit orders fill, decimals stay exact."""
    tick = D(1).scaleb(D(price).as_tuple().exponent)
    rows = [
        (n * 10, str(D(price) + tick * (n % 7 - 3)), str(D(qty) * (n % 5 + 1) * 50), "BUY" if n % 2 else "SELL")
        for n in range(400)
    ]
    made, driver = start(tape(*rows, base=base, quote=quote))
    symbol = base + quote
    driver.step(10, NOW)
    rules = made.rules[symbol]
    size = max(D(qty) * 50, rules.min_notional * 3 / D(price) // rules.step * rules.step + rules.step)
    bought = made.place(ANN, market("BUY", f"{size:f}", symbol), NOW)
    assert bought["status"] == "FILLED"
    bid = made.ticker_book(symbol)["bidPrice"]
    resting = made.place(ANN, limit("BUY", bid, f"{size:f}", symbol), NOW)
    assert resting["status"] == "NEW"
    driver.step(400, NOW)
    order = made.query(ANN, {"symbol": symbol, "orderId": str(resting["orderId"])}, NOW)
    assert order["status"] == "FILLED"
    held = made.core.ledger.accounts[ANN].balance(base)
    assert held.free == D(1_000_000) + 2 * size


def test_filters_coarser_than_the_tape():
    """With a given tick and step coarser than the tape's, quotes and fills of accounts keep to them; prints do not."""
    played = tape((0, "100.123", "1", "SELL"), (1, "99.951", "0.0999", "SELL"), (2, "99.95", "0.257", "SELL"))
    made = Exchange([attrs.evolve(played.rules(), tick=D("0.1"), step=D("0.1"), min_qty=D("0.1"))], fee=FREE, now_ms=NOW)
    made.add_account(ANN, {"USDT": D(1000)})
    driver = Market(made, played, "BTCUSDT", 1)
    driver.open(NOW)
    for side in ("bids", "asks"):
        assert all(D(text) % D("0.1") == 0 for level in made.depth("BTCUSDT", 50)[side] for text in level)
    bid = made.ticker_book("BTCUSDT")["bidPrice"]
    assert made.place(ANN, limit("BUY", bid, "2"), NOW)["status"] == "NEW"
    driver.step(3, NOW)
    assert made.open_orders(ANN, {}, NOW)[0]["executedQty"] == "0.20000000"
    assert [(row["price"], row["qty"]) for row in made.trades("BTCUSDT")] == [
        ("100.12300000", "1.00000000"), ("99.95100000", "0.09990000"), (bid, "0.20000000"), ("99.95000000", "0.05700000")
    ]  # fmt: skip


def test_twelve_thousand_trades_are_quick():
    """A long tape with a user's orders in the book costs well under a core: 12,000 trades in under four seconds."""
    made, driver = start(Tape.synthetic("BTCUSDT", 9, trades=12_000, span_ms=216_000_000))
    for index in range(100):
        made.place(ANN, limit("BUY", str(D("39000") - index), "0.01"), NOW)
    before = time.process_time()
    while driver.step(50, NOW):
        made.take_events()
    assert time.process_time() - before < 4
    assert driver.played == 12_000
