"""The real Prometheus server scrapes the running daemon, and sees an actor's restart."""

import json
import signal
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from daemons import metrics_url, start_daemon, write_config
from ports import free_port
from processes import Processes
from realtrading.metrics.catalog import BY_NAME, PREFIX
from serving import start_simulator
from waiting import wait_until

SCRAPE = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: realtrading
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    """The server of Debian's package, unpacked, with its own folder and port."""

    def __init__(self, processes: Processes, tool: str, folder: Path, target: str) -> None:
        config = folder / "prometheus.yml"
        config.write_text(SCRAPE.format(target=target))
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}/api/v1"
        processes.start(
            tool, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={address}"
        )

    def ask(self, path: str, **given: str) -> Any:
        """What its API answers; None while it does not answer yet."""
        try:
            with urllib.request.urlopen(f"{self.url}/{path}?{urllib.parse.urlencode(given)}", timeout=5) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):
            return None

    def value(self, query: str) -> float | None:
        """The single value of an instant query; None while there is none."""
        found = self.ask("query", query=query)
        return float(found["result"][0]["value"][1]) if found and found["result"] else None


def test_prometheus_sees_every_name_and_a_restart(
    processes: Processes, prometheus_tools: dict[str, str], tmp_path: Path
) -> None:
    """`up` is 1, each name is stored with its type, and `--fault` makes the restart counter rise in Prometheus' own API."""
    ready = start_simulator(processes, "--symbol", "BTCUSDT", "--speed", "1", "--balance", "USDT=10000")
    config = write_config(tmp_path, ready, more=STRATEGY)
    (tmp_path / "dealer.py").write_text(DEALER)
    daemon = start_daemon(processes, config, "--fault", "actor:orders:exception@6")
    target = metrics_url(daemon).removeprefix("http://").removesuffix("/metrics")
    server = Prometheus(processes, prometheus_tools["prometheus"], tmp_path, target)
    restarts = 'sum(realtrading_actor_restarts_total{actor="orders"})'
    first = wait_until(lambda: [seen] if (seen := server.value(restarts)) is not None else None, 30, "the first scrape")
    assert first == [0.0]
    wait_until(lambda: (server.value(restarts) or 0) >= 1, 40, "the restart is in Prometheus")

    assert server.value('up{job="realtrading"}') == 1
    assert server.value('realtrading_actor_restarts_total{actor="orders",cause="crash"}') == 1
    assert (server.value("sum(realtrading_fills_total)") or 0) >= 1
    assert server.value('realtrading_engine_state{realtrading_engine_state="halted"}') == 0
    described = server.ask("metadata")
    wrong = []
    for metric in BY_NAME.values():
        short = metric.full_name.removesuffix("_total").removesuffix("_info")
        told = described.get(metric.full_name) or described.get(short) or [{"type": "missing"}]
        if told[0]["type"] != metric.kind:
            wrong.append(f"{metric.full_name}: {told[0]['type']}, not {metric.kind}")
    assert not wrong
    stored = set(server.ask("label/__name__/values"))
    assert {f"{PREFIX}{name}" for name in ALWAYS} <= stored
    daemon.send(signal.SIGTERM)
    assert daemon.wait(20) == 0


STRATEGY = '[strategy.dealer]\nuse = "dealer.py:Dealer"\n'
DEALER = '''"""One order, so that there is something to count."""
from decimal import Decimal

from realtrading.strategies.base import Strategy


class Dealer(Strategy):
    """Buys once, at the first quote."""

    bought = False

    def on_quote(self, ctx, quote):
        if not self.bought:
            self.bought = True
            ctx.buy(quote.symbol, quantity=Decimal("0.01"))
'''

ALWAYS = (
    "build_info", "config_info", "engine_state", "ready", "orders_submitted_total", "orders_open", "fills_total", "balance",
    "position_quantity", "equity", "pnl_day", "risk_limit", "risk_usage", "breaker_open", "exchange_requests_total",
    "exchange_rate_limit_used", "stream_connected", "quote_timestamp_seconds", "actor_alive", "actor_restarts_total",
    "actor_mailbox_wait_seconds_bucket", "reconcile_runs_total", "reconcile_last_success_timestamp_seconds",
    "journal_commit_duration_seconds_bucket", "state_filesystem_free_bytes",
)  # fmt: skip
"""Names that must have a stored sample, not only a description."""
