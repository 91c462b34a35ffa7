"""The metrics page of an engine in this process, against the simulator in another one."""

import logging
import re
import statistics
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from daemons import Samples, fetch, samples, total
from order_factories import T0
from ports import free_port
from processes import Processes
from realtrading.actors.tally import Tally
from realtrading.domain.breaker import BreakerBook
from realtrading.domain.reasons import Reason
from realtrading.domain.settings import Listen, RealTradingConfig, Settings, StrategySettings, VenueUrls
from realtrading.domain.values import Quote, Side
from realtrading.doors.metrics import EngineMetrics, open_metrics
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.metrics.catalog import BY_NAME, CATALOG, NOT_YET, PREFIX, tables
from realtrading.metrics.families import families
from realtrading.metrics.view import JournalFigures, View
from realtrading.runtime.mailbox import Mailbox
from realtrading.runtime.metrics import Histogram, HistogramValue
from realtrading.runtime.snapshot import ActorSnapshot, actor_families, take_snapshot
from realtrading.runtime.spec import ActorSpec, FaultKind
from realtrading.topology import ACTORS, ALL, MINE, ROUTES
from realtrading.venue.port import RequestSeen, VenueGauges
from serving import start_simulator
from waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
ANYWHERE = Listen(host="127.0.0.1", port=0)
LIMITS = RealTradingConfig(
    max_position_size_usdt=Decimal(5000),
    max_total_exposure_usdt=Decimal(9000),
    max_daily_loss_usdt=Decimal(500),
    max_order_value_usdt=Decimal(1000),
    risk_per_trade_percent=Decimal(50),
)

PLANNED = {
    *("build_info", "config_info", "engine_state", "ready", "config_last_reload_successful"),
    *("config_last_reload_success_timestamp_seconds", "watchdog_last_ping_timestamp_seconds", "operator_commands_total"),
    *("orders_submitted_total", "orders_closed_total", "order_rejections_total", "orders_open", "orders_unknown"),
    *("orders_unknown_oldest_timestamp_seconds", "order_ack_duration_seconds", "order_intent_duration_seconds"),
    *("fills_total", "fill_apply_lag_seconds", "traded_notional_total", "commission_paid_total", "fill_slippage_ratio"),
    *("balance", "position_quantity", "position_notional", "equity", "equity_peak", "drawdown_ratio", "pnl_realized"),
    *("pnl_unrealized", "pnl_day", "risk_limit", "risk_usage", "risk_decisions_total", "breaker_open"),
    *("breaker_trips_total", "exchange_requests_total", "exchange_request_duration_seconds", "exchange_errors_total"),
    *("exchange_rate_limit_used", "exchange_rate_limit_max", "exchange_backoff_until_timestamp_seconds"),
    *("exchange_clock_offset_seconds", "exchange_filters_timestamp_seconds", "stream_connected"),
    *("stream_reconnects_total", "stream_events_total", "stream_last_event_timestamp_seconds", "stream_gaps_total"),
    *("quote_timestamp_seconds", "actor_alive", "actor_expected", "actor_failures_total", "actor_restarts_total"),
    *("actor_mailbox_messages", "actor_mailbox_wait_seconds", "actor_message_duration_seconds"),
    *("actor_heartbeat_timestamp_seconds", "supervisor_escalations_total", "reconcile_runs_total"),
    *("reconcile_duration_seconds", "reconcile_last_success_timestamp_seconds", "reconcile_discrepancies_total"),
    *("reconcile_unresolved", "journal_records_total", "journal_commit_duration_seconds", "journal_size_bytes"),
    *("journal_errors_total", "state_filesystem_free_bytes", "notifications_total", "log_records_total"),
    *("http_requests_total", "http_request_duration_seconds", "retries_total"),
}
"""Every name of the plan for metrics."""


class Stage:
    """An engine, the simulator it trades on, and its page."""

    def __init__(self, processes: Processes) -> None:
        self.ready = start_simulator(processes, "--symbol", "BTCUSDT", "--speed", "1", "--balance", "USDT=10000")
        self.engine = RealTradingEngine.simulated(self.ready, LIMITS)
        opened = open_metrics(self.engine, ANYWHERE)
        assert opened is not None
        self.metrics: EngineMetrics = opened

    def page(self) -> str:
        return fetch(self.metrics.url)

    def samples(self) -> Samples:
        return samples(self.page())

    def health(self, path: str) -> int:
        """The status of /healthz or /readyz."""
        try:
            with urllib.request.urlopen(self.metrics.url.replace("metrics", path), timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code


@pytest.fixture
def stage(processes: Processes) -> Iterator[Stage]:
    """Open, not started; ended whatever happens."""
    opened = Stage(processes)
    yield opened
    opened.engine.stop()
    assert opened.metrics.close()


def trade(engine: RealTradingEngine) -> None:
    """Two buys, a sell, a resting order, one refused by risk, and a round."""
    steps: tuple[tuple[Side, Any], ...] = (
        (Side.BUY, {"quantity": "0.01"}), (Side.BUY, {"quote_quantity": "200"}), (Side.SELL, {"quantity": "0.004"}),
    )  # fmt: skip
    for side, size in steps:
        order = engine.submit("BTCUSDT", side, **size).wait(10)
        assert order is not None
        assert order.state == "Filled", order
        assert engine.settled(10)
    refused = engine.buy("BTCUSDT", quantity="5").wait(10)
    assert refused is None or refused.state == "Rejected"
    resting = engine.buy("BTCUSDT", quantity="0.005", price="20000", rests=True)
    wait_until(lambda: any(order.state == "New" for order in engine.orders.values()), 10, f"{resting} rests")
    assert engine.reconcile() is not None
    assert engine.settled(10)


def types_of(page: str) -> dict[str, str]:
    """Name -> type as the page declares them."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))


# --- the page and the table -------------------------------------------------------------------------------------------


def test_every_name_is_exported_with_its_type_and_nothing_else(stage: Stage, prometheus_tools: dict[str, str]) -> None:
    """The page of a trading engine declares exactly the catalogue, and Prometheus' own linter has nothing to say."""
    stage.engine.start()
    trade(stage.engine)
    page = stage.page()

    shown = {"info": "gauge", "stateset": "gauge"}
    wanted = {metric.full_name: shown.get(metric.kind, metric.kind) for metric in BY_NAME.values()}
    assert {name: kind for name, kind in types_of(page).items() if name.startswith(PREFIX)} == wanted
    lint = subprocess.run(
        [prometheus_tools["promtool"], "check", "metrics"], input=page, capture_output=True, text=True, timeout=60, check=False
    )
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")


def test_labels_and_helps_are_the_catalogues(stage: Stage) -> None:
    """Each sample carries the labels that the catalogue names, in whatever order, and each help is the catalogue's."""
    stage.engine.start()
    trade(stage.engine)
    page = stage.page()

    helps = dict(re.findall(r"^# HELP (realtrading_\S+) (.*)$", page, re.MULTILINE))
    assert helps == {metric.full_name: metric.help for metric in BY_NAME.values()}
    wrong = set()
    for key in samples(page):
        name = re.split(r"[{ ]", key)[0]
        metric = next((BY_NAME[n] for n in (plain(name), name.removeprefix(PREFIX)) if n in BY_NAME), None)
        if metric is not None and metric.kind != "stateset":
            labels = set(re.findall(r'(\w+)="', key)) - ({"le"} if metric.kind == "histogram" else set())
            wrong |= set() if labels == set(metric.labels) else {key}
    assert not wrong


def plain(name: str) -> str:
    """The metric's name without prefix and without what a histogram appends."""
    return re.sub(r"_(bucket|sum|count)$", "", name.removeprefix(PREFIX))


def test_the_plan_is_exported_or_explained() -> None:
    """Every planned name is in the catalogue or among those that wait, and in one of them only."""
    assert PLANNED - set(BY_NAME) == set(NOT_YET)
    assert not set(BY_NAME) & set(NOT_YET)


def test_the_docs_show_the_catalogue() -> None:
    """docs/metrics.md holds the table as the code makes it."""
    text = (ROOT / "realtrading" / "docs" / "metrics.md").read_text()

    assert re.search(r"<!-- catalog -->\n(.*)\n<!-- /catalog -->", text, re.DOTALL)[1] == tables()  # type: ignore[index]


def test_the_machinerys_names_are_in_the_catalogue() -> None:
    """runtime/ makes the actors' families itself: name, type and help agree with the table."""
    known = {metric.full_name: (metric.kind, metric.help) for metric in CATALOG["Actors"]}

    assert {family.name: (family.kind, family.help) for family in actor_families(())} == known


# --- what it says -----------------------------------------------------------------------------------------------------


def test_sums_agree_with_the_engine(stage: Stage) -> None:
    """Orders, fills, fees, positions, balances and risk on the page are those of the engine's books."""
    engine = stage.engine.start()
    trade(engine)
    wait_until(lambda: total(stage.samples(), "realtrading_fills_total") >= fills_of(engine), 10, "the feed has counted")
    page, orders = stage.samples(), engine.orders.values()

    assert total(page, "realtrading_orders_submitted_total") == len(orders)
    assert total(page, "realtrading_orders_submitted_total", strategy="user", type="MARKET") == 3
    assert total(page, "realtrading_orders_closed_total", outcome="filled") == 3
    assert total(page, "realtrading_orders_open") == sum(order.is_live() for order in orders) == 1
    assert total(page, "realtrading_fills_total") == fills_of(engine)
    for side in Side:
        traded = sum((order.cumulative_quote for order in orders if order.side is side), Decimal(0))
        assert total(page, "realtrading_traded_notional_total", side=side) == pytest.approx(float(traded))
    for asset in ("BTC", "USDT"):
        fees = sum((f.commission for order in orders for f in order.fills if f.commission_asset == asset), Decimal(0))
        assert total(page, "realtrading_commission_paid_total", asset=asset) == pytest.approx(float(fees))
        assert total(page, "realtrading_balance", asset=asset) == pytest.approx(float(engine.balances[asset]))
    assert total(page, "realtrading_balance", asset="USDT", kind="locked") == 100
    book = engine.position_books["user/BTCUSDT"]
    assert page['realtrading_position_quantity{symbol="BTCUSDT"}'] == pytest.approx(float(book.quantity))
    assert page['realtrading_pnl_realized{symbol="BTCUSDT"}'] == pytest.approx(float(book.realized_total))
    used = page['realtrading_risk_usage{rule="position_max",scope="BTCUSDT"}']
    assert used == pytest.approx(page['realtrading_position_notional{symbol="BTCUSDT"}'] + 100)
    assert total(page, "realtrading_risk_decisions_total", decision="pass") == 4
    assert total(page, "realtrading_risk_decisions_total", decision="deny") == 1
    assert total(page, "realtrading_order_rejections_total", origin="risk") == 1
    assert page["realtrading_order_intent_duration_seconds_count"] == 4
    assert total(page, "realtrading_order_ack_duration_seconds_count") == 4
    assert total(page, "realtrading_reconcile_runs_total", trigger="operator", result="clean") == 1
    assert page['realtrading_journal_records_total{kind="IntentRecorded"}'] == 4
    assert page["realtrading_journal_commit_duration_seconds_count"] > 4
    assert total(page, "realtrading_stream_events_total", stream="user_data", event="execution") > 0
    assert total(page, "realtrading_exchange_requests_total", endpoint="/api/v3/order", method="POST", status="2xx") == 4


def fills_of(engine: RealTradingEngine) -> int:
    return sum(len(order.fills) for order in engine.orders.values())


def test_no_label_holds_an_id_a_price_or_a_text(stage: Stage) -> None:
    """No value of any label is a client id, an exchange id, a number that is no bucket, or a sentence."""
    engine = stage.engine.start()
    trade(engine)
    page = stage.page()

    ids = {order.id for order in engine.orders.values()}
    lines = [line for line in page.splitlines() if line.startswith(PREFIX)]
    words = {value for line in lines for name, value in re.findall(r'(\w+)="([^"]*)"', line) if name not in ("le", "version")}
    assert not [word for word in words if word in ids or " " in word or (re.fullmatch(r"\d+(\.\d+)*", word) and word != "1.0.37"
                and not word.startswith("4.5"))]  # fmt: skip


def test_known_label_sets_begin_at_zero(stage: Stage) -> None:
    """Before anything has happened, symbols, sides, outcomes, causes, rules and actors are all there at 0."""
    stage.engine.start()
    page = stage.samples()

    assert page['realtrading_orders_closed_total{outcome="expired",side="SELL",symbol="BTCUSDT"}'] == 0
    assert page['realtrading_fills_total{liquidity="maker",side="BUY",symbol="BTCUSDT"}'] == 0
    assert page['realtrading_breaker_open{breaker="KEEPER_LOST"}'] == 0
    assert page['realtrading_breaker_trips_total{breaker="ERRORS",reason="errors"}'] == 0
    assert page['realtrading_risk_decisions_total{decision="deny",rule="daily_loss"}'] == 0
    assert page['realtrading_exchange_errors_total{code="-2010"}'] == 0
    for actor in (row.name for row in ACTORS):
        assert page[f'realtrading_actor_restarts_total{{actor="{actor}",cause="crash"}}'] == 0
        assert page[f'realtrading_supervisor_escalations_total{{actor="{actor}"}}'] == 0


def test_a_crash_is_seen(stage: Stage) -> None:
    """A keeper's exception: the restart, its failure, the breaker's trip, and the round that healed it."""
    engine = stage.engine.start()
    engine.inject("orders", FaultKind.EXCEPTION)

    def told() -> Samples | None:
        page = stage.samples()
        healed = total(page, "realtrading_reconcile_runs_total", trigger="keeper", result="clean")
        return page if healed and engine.is_ready else None

    page = wait_until(told, 15, "restarted and reconciled")
    assert page is not None
    assert page['realtrading_actor_restarts_total{actor="orders",cause="crash"}'] == 1
    assert page['realtrading_breaker_trips_total{breaker="KEEPER_LOST",reason="keeper"}'] == 1
    assert total(page, "realtrading_actor_failures_total", actor="orders") == 1


# --- before, while it hangs, after ------------------------------------------------------------------------------------


def test_the_page_is_there_before_the_start_and_after_the_end(stage: Stage) -> None:
    """Starting, then running, then stopped; before the start there is only the engine group, after it everything."""
    before = stage.samples()
    assert before[state("starting")] == 1
    assert {key for key in before if key.startswith(PREFIX + "orders")} == set()
    assert before["realtrading_ready"] == 0
    assert (stage.health("healthz"), stage.health("readyz")) == (200, 503)
    stage.engine.start()
    running = stage.samples()
    assert (running[state("running")], running["realtrading_ready"]) == (1, 1)
    assert (stage.health("healthz"), stage.health("readyz")) == (200, 200)
    trade(stage.engine)
    assert stage.engine.stop()
    after = stage.samples()

    assert (after[state("stopped")], after["realtrading_ready"]) == (1, 0)
    assert total(after, "realtrading_fills_total") == fills_of(stage.engine)
    assert total(after, "realtrading_actor_alive") == 0
    assert (stage.health("healthz"), stage.health("readyz")) == (503, 503)


def state(name: str) -> str:
    return f'realtrading_engine_state{{realtrading_engine_state="{name}"}}'


@pytest.mark.parametrize("actor", ["risk", "feed", "gateway"])
def test_a_hung_actor_does_not_hold_up_a_scrape(stage: Stage, actor: str) -> None:
    """While a keeper, the feed or a hand on the asyncio desk hangs, scrapes come within 100 ms and show who waits."""
    engine = stage.engine.start()
    mailbox = engine.house.mailbox(actor)
    engine.inject(actor, FaultKind.HANG)
    if actor == "gateway":  # a hand that has nothing to do is not asked to fail
        engine.buy("BTCUSDT", quantity="0.001")
    wait_until(lambda: mailbox.busy_since_mono is not None and hung_s(mailbox) > 0.05, 10, f"{actor} hangs")
    seconds = []
    for _ in range(9):
        started = time.perf_counter()
        page = samples(stage.page())
        seconds.append(time.perf_counter() - started)
    still = hung_s(mailbox)

    assert still > 0.05, "the scrapes must have been made while it hung"
    assert max(seconds) < 1.0
    assert statistics.median(seconds) < 0.1
    assert page[f'realtrading_actor_mailbox_messages{{actor="{actor}"}}'] >= 0
    restarted = f'realtrading_actor_restarts_total{{actor="{actor}",cause="hang"}}'
    wait_until(lambda: stage.samples()[restarted] == 1, 15, "the supervisor has replaced it")


def hung_s(mailbox: Mailbox) -> float:
    since = mailbox.busy_since_mono
    return 0.0 if since is None else time.monotonic() - since


# --- the listener -----------------------------------------------------------------------------------------------------


def test_an_occupied_port_is_a_sentence_with_the_address(stage: Stage) -> None:
    """Exit code 75, and the address that cannot be had."""
    host, port = stage.metrics.address
    with pytest.raises(BadInput, match=rf"metrics cannot listen on {host}:{port}: Address already in use") as refused:
        open_metrics(stage.engine, Listen(host=host, port=port))

    assert refused.value.exit_code == 75


def test_no_address_serves_nothing(stage: Stage) -> None:
    """Settings without metrics open no port and start no thread."""
    before = threading.active_count()

    assert open_metrics(stage.engine, None) is None
    assert threading.active_count() == before


def test_two_engines_have_two_pages(processes: Processes, stage: Stage) -> None:
    """Each engine's registry is its own: what one trades the other does not show."""
    other = Stage(processes)
    try:
        stage.engine.start()
        other.engine.start()
        trade(stage.engine)
        assert total(other.samples(), "realtrading_orders_submitted_total") == 0
        assert total(stage.samples(), "realtrading_orders_submitted_total") == 4
    finally:
        other.engine.stop()
        other.metrics.close()


def test_log_records_are_counted_by_level(stage: Stage) -> None:
    """A warning of the house raises the warnings, and nothing is counted after the listener is closed."""
    stage.engine.start()
    before = stage.samples()['realtrading_log_records_total{level="warning"}']
    logging.getLogger("realtrading.test").warning("something to count")

    assert stage.samples()['realtrading_log_records_total{level="warning"}'] == before + 1
    handlers = len(logging.getLogger("realtrading").handlers)
    stage.metrics.close()
    assert len(logging.getLogger("realtrading").handlers) == handlers - 1


# --- the budget -------------------------------------------------------------------------------------------------------


def everything_at_20_symbols() -> View:
    """20 symbols and two strategies after everything has happened that makes a series."""
    symbols = tuple(f"S{number}USDT" for number in range(20))
    strategies = tuple(StrategySettings(name=f"s{n}", use="m:C", symbols=symbols[10 * n : 10 * n + 10]) for n in range(2))
    url = f"http://127.0.0.1:{free_port()}"
    urls = VenueUrls(rest_url=url, ws_api_url=url.replace("http", "ws"), stream_url=url.replace("http", "ws"))
    settings = Settings(mode="simulated", symbols=symbols, strategies=strategies, venue=urls)  # type: ignore[arg-type]
    tally, gauges = Tally(), VenueGauges()
    for symbol in symbols:
        for reason in list(Reason)[:6]:
            tally.rejections[(symbol, "risk", reason)] += 1
    for endpoint in ("time", "account", "exchangeInfo", "ticker/24hr", "openOrders", "allOrders", "myTrades", "order", "depth"):
        for method in ("GET", "POST") if endpoint == "order" else ("GET",):
            for status in ("2xx", "4xx", "5xx", "none"):
                seen = RequestSeen(endpoint=f"/api/v3/{endpoint}", method=method, status=status, code=0, seconds=0.1)
                tally.request(seen)
    quotes = {s: Quote(symbol=s, bid=Decimal(1), ask=Decimal(1), last=Decimal(1), at=T0, mono=0.0) for s in symbols}
    return View(
        settings=settings, phase="started", ready=True, tally=tally, gauges=gauges, orders={}, books={}, ledger={}, rules={},
        commitments={}, day=None, breaker=BreakerBook(), quotes=quotes,
        journal=JournalFigures(records={f"Record{n}": 1 for n in range(45)}, size_bytes=1, free_bytes=1, failed=False),
        actors=tuple(busy(name) for name in (*(row.name for row in ACTORS), "strategy:s0", "strategy:s1")),
    )  # fmt: skip


def busy(name: str) -> ActorSnapshot:
    """An actor that has handled every message it can hear."""
    mailbox = Mailbox(ActorSpec(name=name, make=lambda: None, desk="money"))  # type: ignore[arg-type,return-value]
    for kind, receivers in ROUTES.items():
        if name in receivers or (name.startswith("strategy:") and {MINE, ALL} & set(receivers)):
            mailbox.durations[kind] = Histogram()
            mailbox.durations[kind].observe(0.001)
    return take_snapshot(mailbox, 0.0, 0.0)


def weight(value: object) -> int:
    """How many samples one value makes."""
    if isinstance(value, HistogramValue):
        return len(value.counts) + 2
    return len(value) if isinstance(value, dict) else 1


def test_the_series_budget_holds_at_20_symbols() -> None:
    """Even after everything has happened, 20 symbols and two strategies make at most 3,000 samples."""
    made = {family.name: sum(weight(value) for _, value in family.samples) for family in families(everything_at_20_symbols())}

    assert 1500 < sum(made.values()) <= 3000, made
