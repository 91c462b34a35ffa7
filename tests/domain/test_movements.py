"""What moved the wallet without an order of ours: its identity in a ledger line, and its words for people."""

from decimal import Decimal

import pytest

from order_factories import at
from realtrading.domain.movements import FlowKind, Movement, flow_key, remembered, told_of, trade_key
from realtrading.domain.order_effects import trade_deltas
from realtrading.domain.reports import TradeReport
from realtrading.domain.values import Side


def moved(kind: FlowKind, id: str, seconds: float = 0, **deltas: str) -> Movement:
    """One movement."""
    return Movement(kind=kind, id=id, at=at(seconds), deltas={asset: Decimal(text) for asset, text in deltas.items()})


def test_a_trade_is_remembered_by_its_number_and_a_flow_by_what_it_did() -> None:
    """The same trade has one key whoever told of it; a flow's key carries time, amount and the venue's id."""
    assert moved(FlowKind.EXTERNAL_TRADE, "BTCUSDT:7", BTC="1").key("BTC") == trade_key("BTCUSDT:7") == "trade:BTCUSDT:7"
    assert moved(FlowKind.DEPOSIT, "tx9", USDT="5").key("USDT") == f"deposit|{at(0).isoformat()}|5|tx9"


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("trade:BTCUSDT:7", ("external_trade", "trade:BTCUSDT:7")),
        (flow_key(at(0), Decimal("2.50")), ("deposit", "2.5 at 2026-03-01 12:00:00")),
        (flow_key(at(0), Decimal("-1")), ("withdrawal", "-1 at 2026-03-01 12:00:00")),
        (f"dust|{at(0).isoformat()}|-0.001|77", ("dust", "77 of -0.001 at 2026-03-01 12:00:00")),
    ],
)
def test_a_line_tells_what_it_remembers(key: str, told: tuple[str, str]) -> None:
    """Every form of key becomes a kind and a text that a person can look up at the venue."""
    assert remembered(key) == told


def test_trades_of_a_symbol_are_told_together_and_everything_else_by_itself() -> None:
    """Twelve fills of one hand-made order are one sentence; two deposits are two."""
    lines = told_of("USDT", [
        moved(FlowKind.EXTERNAL_TRADE, "ETHUSDT:5", 0, USDT="-10"),
        moved(FlowKind.EXTERNAL_TRADE, "ETHUSDT:6", 2, USDT="-20"),
        moved(FlowKind.EXTERNAL_TRADE, "BNBUSDT:1", 1, USDT="3"),
        moved(FlowKind.DEPOSIT, "a", 1, USDT="100"),
        moved(FlowKind.DEPOSIT, "b", 1, USDT="100"),
    ])  # fmt: skip
    assert lines == [
        "external_trade in ETHUSDT, 2 trades, 5 to 6, at 2026-03-01 12:00:00 to 2026-03-01 12:00:02 moved -30 USDT",
        "external_trade in BNBUSDT, trade 1 at 2026-03-01 12:00:01 moved 3 USDT",
        "deposit a at 2026-03-01 12:00:01 moved 100 USDT",
        "deposit b at 2026-03-01 12:00:01 moved 100 USDT",
    ]


def a_trade(side: Side, commission: str, asset: str) -> TradeReport:
    """One trade of 2 BTC at 100."""
    return TradeReport(
        symbol="BTCUSDT", trade_id=1, exchange_order_id=9, price=Decimal(100), quantity=Decimal(2),
        quote_quantity=Decimal(200), commission=Decimal(commission), commission_asset=asset, venue_at=at(0),
        is_maker=False, side=side,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("side", "fee", "asset", "deltas"),
    [
        (Side.BUY, "0.002", "BTC", {"BTC": "1.998", "USDT": "-200"}),
        (Side.SELL, "0.2", "USDT", {"BTC": "-2", "USDT": "199.8"}),
        (Side.BUY, "0.01", "BNB", {"BTC": "2", "USDT": "-200", "BNB": "-0.01"}),
        (Side.SELL, "0", "BNB", {"BTC": "-2", "USDT": "200"}),
    ],
)
def test_a_trade_moves_base_quote_and_fee(side: Side, fee: str, asset: str, deltas: dict[str, str]) -> None:
    """A fee in base lessens what was bought, one in quote what was earned, one in a third asset that asset."""
    assert trade_deltas(a_trade(side, fee, asset), "BTC", "USDT") == {name: Decimal(text) for name, text in deltas.items()}
