"""Looking at a journal: beside the house, after its death, and folding the money out of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from journal.samples import START, client_id, fill, filled, intent, opened, order, placed, record
from realtrading.domain.balances import LedgerLine
from realtrading.domain.events import (
    BalanceUpdated,
    Event,
    ExternalTradeSeen,
    OrderFilled,
    OrderPartiallyFilled,
    PositionBookSettled,
)
from realtrading.domain.positions import PositionBook
from realtrading.domain.values import Side
from realtrading.errors import HouseError
from realtrading.journal import readers
from realtrading.journal.fold import fold_ledger
from realtrading.journal.verify import verify

PAIRS = {"BTCUSDT": ("BTC", "USDT")}


def _balance(asset: str, opening: str, **line: object) -> Event:
    told = LedgerLine(asset=asset, opening=Decimal(opening), **line)  # type: ignore[arg-type]
    return BalanceUpdated(asset=asset, free=Decimal(opening), locked=Decimal(0), line=told)


def test_an_order_has_a_life(tmp_path: Path) -> None:
    """Every record about an order is told in order, with letter, cause, sender and kind; a stranger has no life."""
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        run = journal.begin_run()
        journal.append([intent(5), intent(6)])
        journal.append([placed(5)])
    steps = readers.order_life(path, client_id(5))
    assert [(step.seq, step.type, step.letter_seq, step.cause) for step in steps] == [
        (2, "IntentRecorded", 5, 4),
        (4, "OrderPlaced", 5, 4),
    ]
    assert {(step.run, step.at, step.sender) for step in steps} == {(run, START, "orders")}
    assert readers.order_life(path, "rt_1_demo_n9") == []


def test_readers_look_beside_the_running_house(tmp_path: Path) -> None:
    """A reader sees every committed record at once, while the house goes on writing and checkpointing."""
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.begin_run()
        journal.bind(5)
        for counter in range(1, 6):
            journal.append([intent(counter)])
            assert len(readers.read_orders(path)) == counter
        with readers.opened(path) as reader:
            events = reader.events()
            assert next(events).type == "RunBegan"
            journal.append([placed(1)])
            journal.checkpoint()
            assert [one.type for one in events] == ["IntentRecorded"] * 5 + ["OrderPlaced"]
            assert reader.binding().account_uid == 5
            assert [run.run for run in reader.runs()] == [1]
        assert journal.verify().ok


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """A reader neither checkpoints nor repairs: file and log of a house that died have the same bytes afterwards."""
    path, copy = tmp_path / "journal.db", tmp_path / "dead.db"
    with opened(path) as journal:
        journal.begin_run()
        journal.append([intent(1)])
        for suffix in ("", "-wal"):  # as a kill leaves them
            copy.with_name(f"dead.db{suffix}").write_bytes(path.with_name(f"journal.db{suffix}").read_bytes())
    before = {name: (tmp_path / name).read_bytes() for name in ("dead.db", "dead.db-wal")}
    assert len(before["dead.db-wal"]) > 0
    assert list(readers.read_orders(copy)) == [client_id(1)]
    assert readers.fold_engine_ledger(copy).fills == 0
    assert verify(copy).ok
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_the_ledger_is_opening_plus_fills_minus_fees(tmp_path: Path) -> None:
    """Bought 0.5 at 100 and sold 0.2 at 110, fees in base, quote and a third asset: every asset to the last digit."""
    path = tmp_path / "journal.db"
    buy = fill(1, "0.5", "100", "0.0005", "BTC")
    sells = (fill(2, "0.1", "110", "0.011", "USDT"), fill(3, "0.1", "110", "0.00001234", "BNB"))
    with opened(path) as journal:
        journal.begin_run()
        journal.append([record(_balance("USDT", "1000")), record(_balance("BTC", "2")), record(_balance("BNB", "1"))])
        journal.append([intent(1), intent(2), filled(1, Side.BUY, buy), filled(2, Side.SELL, *sells)])
        journal.append(
            [record(PositionBookSettled(book=PositionBook(strategy="demo", symbol="BTCUSDT", base="BTC", quote="USDT")))]
        )
    ledger = readers.fold_engine_ledger(path)
    assert ledger.totals == {"BNB": Decimal("0.99998766"), "BTC": Decimal("2.2995"), "USDT": Decimal("971.989")}
    assert ledger.opening == {"USDT": Decimal(1000), "BTC": Decimal(2), "BNB": Decimal(1)}
    assert ledger.fees == {"BTC": Decimal("0.0005"), "USDT": Decimal("0.011"), "BNB": Decimal("0.00001234")}
    assert (ledger.fills, ledger.flows) == (3, {})


def test_a_fill_counts_once_however_often_it_is_told() -> None:
    """Totals repeat fills; (symbol, trade id) is counted once, and the last word about a trade stands."""
    first, second = fill(1, "0.1", "100", "0", "USDT"), fill(2, "0.2", "100", "0", "USDT")
    late = attrs.evolve(first, commission=Decimal("0.01"))
    events = [
        OrderPartiallyFilled(order=order(1, fills=(first,)), fills=(first,)),
        OrderFilled(order=order(1, fills=(first, second)), fills=(second,)),
        OrderFilled(order=order(1, fills=(late, second))),
    ]
    ledger = fold_ledger(events, PAIRS)
    assert ledger.totals == {"BTC": Decimal("0.3"), "USDT": Decimal("-30.01")}
    assert ledger.fills == 2


def test_the_same_trade_id_on_another_symbol_is_another_trade() -> None:
    """Trade ids are unique per symbol only."""
    one = order(1, fills=(fill(1, "1", "100", "0", "USDT"),))
    other = attrs.evolve(order(2, fills=(fill(1, "1", "10", "0", "USDT"),)), symbol="ETHUSDT")
    ledger = fold_ledger([OrderFilled(order=one), OrderFilled(order=other)], {**PAIRS, "ETHUSDT": ("ETH", "USDT")})
    assert ledger.totals == {"BTC": Decimal(1), "ETH": Decimal(1), "USDT": Decimal(-110)}


def test_no_word_of_the_account_enters_but_the_opening() -> None:
    """Later balances, whatever they claim, and trades that are not ours move nothing; flows are listed beside."""
    lie = _balance(
        "USDT", "5", settled=Decimal(77), reported_free=Decimal(9), flows={"deposit": Decimal(3), "dust": Decimal(0)}
    )
    foreign = ExternalTradeSeen(symbol="BTCUSDT", trade_id=9, exchange_order_id=4, deltas={"BTC": Decimal(1)}, venue_at=START)
    ledger = fold_ledger([_balance("USDT", "10"), lie, foreign])
    assert ledger.totals == {"USDT": Decimal(10)}
    assert ledger.flows == {"USDT": {"deposit": Decimal(3), "dust": Decimal(0)}}


def test_a_traded_symbol_nobody_described_is_refused() -> None:
    """Base and quote are never guessed."""
    with pytest.raises(HouseError, match="nobody told base and quote of BTCUSDT"):
        fold_ledger([OrderFilled(order=order(1, fills=(fill(1, "1", "1", "0", "BTC"),)))])
