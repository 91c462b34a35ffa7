"""A market order is checked against the wallet as a whole, not only for what the book can give."""
from __future__ import annotations

from decimal import Decimal

import pytest

from realtrading.sim.errors import BinanceError
from realtrading.sim.exchange import Exchange
from realtrading.sim.fees import FeeSchedule
from realtrading.sim.market import Market
from realtrading.sim.tape import Tape

NOW = 1_700_000_000_000


def test_a_market_buy_beyond_book_and_wallet_is_refused_for_its_balance() -> None:
    """More than the book offers is no reason to forget the wallet: the rest is valued too, and nothing trades."""
    tape = Tape.synthetic("BTCUSDT", 1)
    exchange = Exchange([tape.rules()], fee=FeeSchedule(), now_ms=NOW)
    exchange.add_account(7, {"USDT": Decimal(10000)})
    Market(exchange, tape, "BTCUSDT", 1).open(NOW)

    with pytest.raises(BinanceError, match="insufficient balance") as refused:
        exchange.place(7, {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "50"}, NOW + 1)

    assert refused.value.code == -2010
