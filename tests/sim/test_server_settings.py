"""What the settings change: rules from a file, fees and their asset, names of assets, steps, the listening address."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from realtrading.sim.settings import SettingsError, listen_of
from sim.dealing import Dealer, dealing


def run(test: Any, **settings: Any) -> None:
    """Run one async test body on an exchange with these settings."""

    async def body() -> None:
        async with dealing(**settings) as dealer:
            await test(dealer)

    asyncio.run(body())


def test_filters_file(tmp_path: Path) -> None:
    """With a filters file the symbol has the file's rules, and orders are judged by them."""
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "1", "maxPrice": "1000000", "tickSize": "1"},
        {"filterType": "LOT_SIZE", "minQty": "0.5", "maxQty": "10", "stepSize": "0.5"},
    ]
    entry = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": filters}
    path = tmp_path / "filters.json"
    path.write_text(json.dumps({"symbols": [entry]}))

    async def body(dealer: Dealer) -> None:
        shown = (await dealer.get("/exchangeInfo", symbol="BTCUSDT")).json["symbols"][0]["filters"]
        assert {each["filterType"]: each for each in shown}["LOT_SIZE"]["stepSize"] == "0.50000000"
        small = await dealer.order("BUY", "LIMIT", "0.4", "100")
        assert (small.refusal, small.json["msg"]) == ((400, -1013), "Filter failure: LOT_SIZE")

    run(body, symbols=("BTCUSDT",), filters=path)


@pytest.mark.parametrize(("bnb_fee", "asset"), [(True, "BNB"), (False, "BTC")])
def test_fees(bnb_fee: bool, asset: str) -> None:
    """A buy pays its taker fee in base, or in BNB when told so and there is some."""

    async def body(dealer: Dealer) -> None:
        bought = (await dealer.order("BUY", "MARKET", "0.001")).json
        assert {fill["commissionAsset"] for fill in bought["fills"]} == {asset}
        rates = (await dealer.signed("GET", "/account")).json["commissionRates"]
        assert (rates["maker"], rates["taker"]) == ("0.00020000", "0.00500000")
        if asset == "BTC":
            paid = sum(Decimal(fill["commission"]) for fill in bought["fills"])
            assert abs(paid - Decimal("0.000005")) < Decimal("0.0000001")

    balances = {"USDT": Decimal(1000), "BNB": Decimal(1)}
    fees = {"fee_maker": Decimal("0.0002"), "fee_taker": Decimal("0.005")}
    run(body, symbols=("BTCUSDT",), balances=balances, bnb_fee=bnb_fee, **fees)


def test_base_and_quote() -> None:
    """Base and quote can be given where the symbol does not tell."""

    async def body(dealer: Dealer) -> None:
        shown = (await dealer.get("/exchangeInfo")).json["symbols"][0]
        assert (shown["symbol"], shown["baseAsset"], shown["quoteAsset"]) == ("FOOBARX", "FOO", "BARX")

    run(body, symbols=("FOOBARX",), base="FOO", quote="BARX")


def test_steps() -> None:
    """In step mode each step plays that many trades and no more; a market with a pace refuses to be stepped."""

    async def stepped(dealer: Dealer) -> None:
        for expected in (3, 6):
            told = await dealer.sim("POST", "/step", trades=3)
            assert (told["stepped"], told["played"]) == (3, expected)
        assert len((await dealer.get("/trades", symbol="BTCUSDT")).json) == 6

    async def paced(dealer: Dealer) -> None:
        refused = await dealer.ask("POST", "/sim/step", data=b'{"trades": 1}')
        assert (refused.status, "--step" in refused.text) == (400, True)

    run(stepped, symbols=("BTCUSDT",))
    run(paced, symbols=("BTCUSDT",), speed=1.0)


def test_same_seed_same_market() -> None:
    """The same seed makes the same market, another seed another."""

    async def prices(seed: int) -> list[str]:
        async with dealing(symbols=("BTCUSDT",), seed=seed) as dealer:
            await dealer.sim("POST", "/step", trades=50)
            return [trade["price"] for trade in (await dealer.get("/trades", symbol="BTCUSDT")).json]

    assert asyncio.run(prices(7)) == asyncio.run(prices(7)) != asyncio.run(prices(8))


def test_listening_addresses() -> None:
    """Loopback addresses of both kinds are taken, the name is one address, anything else is refused."""
    assert listen_of("127.0.0.1:17881") == ("127.0.0.1", 17881)
    assert listen_of("localhost:0") == ("127.0.0.1", 0)
    assert listen_of("[::1]:5") == ("::1", 5)
    for bad in ("0.0.0.0:1", "192.168.1.1:1", "localhost", ":1", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:\u0663"):
        with pytest.raises(SettingsError):
            listen_of(bad)
