"""Every actor dies in every way while orders are under way: it comes back, the door shut before it, and nothing is lost."""

import itertools
import threading
import time
from collections.abc import Callable

import pytest

from house.conftest import HANG_S, Engines
from house.invariants import expect_invariants
from house.kit import LOT, ROOT, SYMBOL, Ear, Judge, dripper, quiet, wait_ready, write_config
from matrix.evidence import judged
from processes import Processes
from realtrading.domain.breaker import CauseKind
from realtrading.domain.commands import OrderIntent, SubmitOrder
from realtrading.domain.events import ActorRestarted, BreakerChanged, KeeperLost, ReconciliationComplete
from realtrading.domain.values import OrderType, Role, Side, base36
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.journal.readers import opened
from realtrading.journal.records import IntentRecorded, Stored
from realtrading.runtime.spec import FaultKind
from realtrading.topology import ACTORS
from waiting import wait_until

DRIP = "strategy:drip"
MORTAL = (*(row.name for row in ACTORS if not row.fatal), DRIP)
FATAL = tuple(row.name for row in ACTORS if row.fatal)
KILLS = tuple(itertools.product(MORTAL, FaultKind))
ENDS = tuple(itertools.product(FATAL, FaultKind))


def name_of(value: object) -> str:
    return value.value if isinstance(value, FaultKind) else str(value)


def test_every_row_of_the_page_is_killed_in_every_way() -> None:
    """The cases are counted from the page: each actor and one strategy, times each kind of failure."""
    assert len(KILLS) + len(ENDS) == (len(ACTORS) + 1) * len(FaultKind)
    assert {name for name, _ in (*KILLS, *ENDS)} == {row.name for row in ACTORS} | {DRIP}
    assert FATAL == ("journal",)


@pytest.mark.matrix("A1", invariants="G1 G2 G3 G4 G5 G6")
@pytest.mark.matrix("A4", invariants="G13")
@pytest.mark.matrix("A6", invariants="G10")
@pytest.mark.parametrize(("actor", "kind"), KILLS, ids=name_of)
def test_a_killed_actor_comes_back_and_nothing_is_lost(
    actor: str, kind: FaultKind, engines: Engines, judge: Judge, hang_soon: Callable[[str], None]
) -> None:
    """Restarted behind a shut breaker, opened again by a clean round; every order is accounted for on both sides."""
    if kind is FaultKind.HANG:
        hang_soon(actor)
    engine = engines(strategies=(dripper(rest=True),)).start()
    ear: Ear = engine.ear  # type: ignore[attr-defined]
    epoch = engine.house.mailbox(actor).epoch
    tickets = [engine.buy(SYMBOL, quantity=LOT) for _ in range(3)]
    engine.inject(actor, kind)
    tickets += [engine.buy(SYMBOL, quantity=LOT) for _ in range(3)]
    heard = wait_until(lambda: ear.restarted(actor), 10, f"{actor} is restarted")
    assert engine.house.mailbox(actor).epoch == heard.incarnation > epoch
    wait_until(lambda: reopened(ear, actor), 15, f"the cause of {actor}'s loss is removed")
    wait_ready(engine)
    again = engine.buy(SYMBOL, quantity=LOT)
    last = again.wait(10)
    assert last is not None
    assert last.state == "Filled", again.detail
    if actor == DRIP:
        trades_again(engine, since=heard)
    engine.stop_strategies()
    with judged("G13"):
        assert all(ticket.wait(15) is not None and ticket.is_final for ticket in tickets)
        quiet(engine)
        assert engine.is_ready
    expect_invariants(judge, engine, ear)
    assert engine.failure is None
    assert set(judge.call("state")["internal_errors"]) == set()
    engine.stop()
    assert shut_before(engine, actor) == []


def reopened(ear: Ear, actor: str) -> bool:
    """Whether the loss of this actor was a cause and is one no more."""
    tokens = [f"keeper-{actor}-" for _ in ear.of(KeeperLost)]
    changes = ear.of(BreakerChanged)
    opened_ = any(cause.token.startswith(tuple(tokens)) for change in changes for cause in change.causes) if tokens else False
    return opened_ and not any(cause.kind is CauseKind.KEEPER_LOST for cause in changes[-1].causes)


def trades_again(engine: RealTradingEngine, since: ActorRestarted) -> None:
    """The strategy's successor sends orders of its own."""
    known = set(engine.orders)
    wait_until(
        lambda: any(o.strategy == "drip" and o.state == "Filled" for name, o in engine.orders.items() if name not in known),
        15,
        f"the strategy trades again after {since}",
    )


def shut_before(engine: RealTradingEngine, actor: str) -> list[str]:
    """What the journal shows to have passed between the loss of the actor and the clean round that covers it."""
    with opened(engine.settings.journal_path) as reader:
        records = list(reader.events())
    scope = f"strategy:{actor.removeprefix('strategy:')}" if actor.startswith("strategy:") else "account"
    wrong = []
    shut, restarted, lost = "", None, None
    for stored in records:
        event = stored.event
        if isinstance(event, KeeperLost) and event.name == actor:
            lost = stored
        elif isinstance(event, ActorRestarted) and event.name == actor:
            restarted = stored
        elif isinstance(event, BreakerChanged):
            tokens = [c.token for c in event.causes if c.kind is CauseKind.KEEPER_LOST and c.scope == scope]
            if shut and not tokens and not covered(records, stored, shut):
                wrong.append(f"{shut} was removed by no clean round that covers it")
            shut = tokens[0] if tokens else ""
        elif isinstance(event, IntentRecorded) and event.gate is not None:
            concerned = scope == "account" or event.order.strategy == "drip"
            if shut and concerned:
                wrong.append(f"{event.order.id} passed while {shut} was open")
            if concerned and lost is not None and not shut and not closed_since(records, lost, stored):
                wrong.append(f"{event.order.id} passed after the loss and before the breaker had heard of it")
    if lost is None or restarted is None:
        wrong.append(f"the journal does not know the loss ({lost}) or the restart ({restarted})")
    elif lost.letter_seq >= restarted.letter_seq:
        wrong.append("the successor began before the breaker was told")
    return wrong


def covered(records: list[Stored], until: Stored, token: str) -> bool:
    """Whether a clean round that covers this token was written down before."""
    return any(
        isinstance(stored.event, ReconciliationComplete) and stored.event.clean and token in stored.event.covers
        for stored in records
        if stored.letter_seq < until.letter_seq
    )


def closed_since(records: list[Stored], lost: Stored, until: Stored) -> bool:
    """Whether the breaker opened and closed for the loss between these two records (by what caused them)."""
    return (until.cause is not None and until.cause < lost.letter_seq) or any(
        isinstance(stored.event, BreakerChanged) and lost.seq <= stored.seq <= until.seq for stored in records
    )


@pytest.mark.parametrize("durability", ["power", "process"])
@pytest.mark.parametrize(("actor", "kind"), ENDS, ids=name_of)
def test_a_killed_journal_ends_the_house_and_nothing_is_sent_after(
    actor: str, kind: FaultKind, durability: str, engines: Engines, judge: Judge, hang_soon: Callable[[str], None]
) -> None:
    """`on_fatal` is called within 2 s of the failure; no order reaches the exchange from then on, none unrecorded before."""
    if kind is FaultKind.HANG:
        hang_soon(actor)
    ended: list[tuple[float, str]] = []
    over = threading.Event()

    def on_fatal(name: str, failure: BaseException) -> None:
        ended.append((time.monotonic(), name))
        over.set()

    engine = engines(strategies=(dripper(),), durability=durability, on_fatal=on_fatal).start()
    house = engine.house
    for _ in range(3):
        engine.buy(SYMBOL, quantity=LOT)
    began = time.monotonic()
    engine.inject(actor, kind)
    assert over.wait(2 + (HANG_S if kind is FaultKind.HANG else 0)), "the house goes on without its journal"
    assert ended[0][1] == actor
    assert ended[0][0] - began < 2 + (HANG_S if kind is FaultKind.HANG else 0)
    assert engine.failure is not None
    assert not engine.is_running
    wait_until(lambda: not any(each["status"] == 0 for each in judge.requests(kind="place")), 5, "what was sent is answered")
    sent = set(judge.places())
    with pytest.raises(BadInput):
        engine.buy(SYMBOL, quantity=LOT)
    for number in range(3):  # past the door
        house.post(SubmitOrder(intent=intent(engine, number)), sender="test")
    wait_until(lambda: house.mailbox("orders").waiting() >= 3, 5, "they wait, and nobody serves them")
    assert engine.stop()
    assert set(judge.places()) == sent
    assert [len(ended), house.frozen] == [1, True]
    with opened(engine.settings.journal_path) as reader:
        recorded = {stored.event.order.id for stored in reader.events() if isinstance(stored.event, IntentRecorded)}
    ours = {name for name in sent if name.startswith(f"{engine.settings.prefix}_")}
    assert ours <= recorded


def intent(engine: RealTradingEngine, number: int) -> OrderIntent:
    """A market buy that no door has looked at."""
    return OrderIntent(
        id=f"{engine.settings.prefix}_{base36(engine.run)}_user_nzz{number}", strategy="user", symbol=SYMBOL, side=Side.BUY,
        order_type=OrderType.MARKET, role=Role.ENTRY, quantity=LOT,
    )  # fmt: skip


def test_a_daemon_whose_journal_dies_exits_70_within_two_seconds(judge: Judge, processes: Processes) -> None:
    """`run --fault actor:journal:exception@0.3`: exit code 70, a line that says why, and not one request afterwards."""
    config = write_config(processes.folder, judge, strategies=(dripper(),))
    fault = ("--fault", "actor:journal:exception@0.3")
    daemon = processes.python("-m", "realtrading", "run", "--config", str(config), *fault, cwd=ROOT)
    daemon.wait_for_line("ready", 20)
    ready = time.monotonic()
    assert daemon.wait(10) == 70, str(daemon)
    assert time.monotonic() - ready < 0.3 + 2
    processes.forget(daemon)
    assert not any("Traceback" in line for line in daemon.err)
    assert any("journal" in line for line in daemon.err)
    seen = judge.requests()[-1]["seq"]
    assert not judge.requests(since=seen)
