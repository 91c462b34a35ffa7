"""What an amount is worth in the reporting asset."""

from collections.abc import Iterator
from decimal import Decimal, localcontext

import pytest

from pictures import at, quote, rules, valuation
from realtrading.domain.valuation import mark
from realtrading.domain.values import EXACT, Quote

D = Decimal


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with localcontext(EXACT):
        yield


BTC, ETH_BTC, EUR = quote("BTCUSDT", "100", "100"), quote("ETHBTC", "0.05", "0.05"), quote("EURUSDT", "1.25", "1.25")
KNOWN = (rules(), rules("ETH", "BTC"), rules("EUR", "USDT"))


def test_the_reporting_asset_is_worth_itself() -> None:
    """No quote is needed for it."""
    assert valuation().rate("USDT") == 1


def test_a_direct_price_converts() -> None:
    """2 BTC at 100."""
    assert valuation((BTC,), KNOWN).value(D(2), "BTC") == 200


def test_an_inverse_price_converts() -> None:
    """With limits in EUR, 5 USDT at EURUSDT 1.25 are 4 EUR."""
    assert valuation((EUR,), KNOWN, "EUR").value(D(5), "USDT") == 4


def test_one_bridge_converts() -> None:
    """ETH has no USDT pair, but ETHBTC and BTCUSDT."""
    assert valuation((BTC, ETH_BTC), KNOWN).rate("ETH") == 5


def test_a_bridge_may_be_crossed_against_the_pairs_direction() -> None:
    """USDT to ETH, over BTCUSDT and ETHBTC, both inverse: 1/100 * 1/0.05."""
    assert valuation((BTC, ETH_BTC), KNOWN, "ETH").rate("USDT") == D("0.2")


def test_two_bridges_are_one_too_many() -> None:
    """EUR -> USDT -> BTC -> ETH is a guess, not a path."""
    assert valuation((BTC, ETH_BTC, EUR), KNOWN, "ETH").rate("EUR") is None


def test_no_path_is_none_and_not_a_guess() -> None:
    """An asset without a quoted pair has no value; nothing of it is still worth nothing."""
    worth = valuation((BTC,), KNOWN)
    assert worth.rate("DOGE") is None
    assert worth.value(D(3), "DOGE") is None
    assert worth.value(D(0), "DOGE") == 0


def test_a_known_pair_without_a_quote_is_no_path() -> None:
    """The rules alone give no price; nor does one leg of a bridge."""
    assert valuation((), KNOWN).rate("BTC") is None
    assert valuation((ETH_BTC,), KNOWN).rate("ETH") is None


def test_a_price_of_zero_is_no_price() -> None:
    """A dead book must not make anything worthless."""
    assert valuation((quote("BTCUSDT", "0", "0", "0"),), KNOWN).rate("BTC") is None


def test_a_name_that_only_looks_like_the_pair_is_not_it() -> None:
    """The rules say what base and quote are; the letters of the name do not."""
    odd = rules("BT", "CUSDT")
    assert odd.symbol == "BTCUSDT"
    assert valuation((BTC,), (odd,)).rate("BTC") is None


def test_old_quotes_can_be_left_out() -> None:
    """`since_mono` asks for a fresh path; without it the last word counts."""
    worth = valuation((quote("BTCUSDT", "100", "100", age=10),), KNOWN)
    assert worth.rate("BTC", since_mono=at(-5).mono) is None
    assert worth.rate("BTC", since_mono=at(-10).mono) == 100
    assert worth.rate("BTC") == 100


def test_the_path_does_not_depend_on_the_order_of_knowledge() -> None:
    """Of two bridges the one whose pair sorts first is taken, however the rules were heard."""
    pairs = (rules("ADA", "BTC"), rules("ADA", "ETH"), rules("BTC", "USDT"), rules("ETH", "USDT"))
    quotes = (
        quote("ADABTC", "0.02", "0.02"),
        quote("ADAETH", "0.3", "0.3"),
        BTC,
        quote("ETHUSDT", "10", "10"),
    )
    assert valuation(quotes, pairs).rate("ADA") == 2
    assert valuation(quotes, pairs[::-1]).rate("ADA") == 2


@pytest.mark.parametrize(("last", "expected"), [("101", "101"), ("90", "100"), ("150", "102")])
def test_the_mark_is_the_last_trade_held_inside_the_book(last: str, expected: str) -> None:
    """Between bid 100 and ask 102 the last trade counts; outside, the nearer side of the book."""
    heard: Quote = quote("BTCUSDT", "100", "102", last)
    assert mark(heard) == D(expected)
