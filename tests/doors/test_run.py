"""`realtrading run` as a process: what systemd is told, how it ends, and what is left of it."""

import json
import logging
import os
import re
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemons import fetch, metrics_url, samples, start_daemon, total, write_config
from ports import free_port
from processes import Processes, Running
from realtrading.domain.settings import Settings, StrategySettings, VenueUrls
from realtrading.doors.cli.timed_fault import TimedFault, timed_faults
from realtrading.doors.logs import OneLine, under_journald
from realtrading.errors import BadInput
from realtrading.runtime.spec import FaultKind
from serving import judge, start_simulator
from waiting import wait_until


class Manager:
    """Plays the service manager: a datagram socket, everything it was told, and by whom."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(self.address)
        self.socket.setblocking(False)
        self.told: list[str] = []
        self.senders: set[int] = set()

    def env(self, watchdog_usec: int | None = None) -> dict[str, str]:
        found = {"NOTIFY_SOCKET": self.address}
        return found if watchdog_usec is None else {**found, "WATCHDOG_USEC": str(watchdog_usec)}

    def listen(self) -> list[str]:
        """Everything so far, one entry per datagram."""
        while True:
            try:
                data, control, _, _ = self.socket.recvmsg(4096, 256)
            except BlockingIOError:
                return self.told
            self.told.append(data.decode())
            self.senders |= {int.from_bytes(credentials[:4], sys.byteorder) for _, _, credentials in control}

    def wait_for(self, word: str, deadline_s: float = 20.0) -> str:
        """The first datagram, past or to come, that holds the word."""
        return wait_until(lambda: next((each for each in self.listen() if word in each), ""), deadline_s, f"told {word}")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager to talk to."""
    played = Manager(tmp_path)
    yield played
    played.socket.close()


@pytest.fixture
def simulator(processes: Processes) -> dict[str, Any]:
    """A simulated exchange that lives as long as the test."""
    return start_simulator(processes, "--symbol", "BTCUSDT", "--speed", "1", "--balance", "USDT=10000")


def order_fault(ready: dict[str, Any], **fault: Any) -> None:
    """Script a fault at the exchange."""
    body = json.dumps(fault).encode()
    with urllib.request.urlopen(f"{ready['control_url']}/faults", data=body, timeout=10) as answer:
        assert answer.status == 200


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def traceback_lines(daemon: Running) -> list[str]:
    return [line for line in (*daemon.out, *daemon.err) if "Traceback" in line or line.startswith("  File")]


# --- systemd's protocol -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_life_under_the_service_manager(
    processes: Processes, simulator: dict[str, Any], manager: Manager, tmp_path: Path, number: signal.Signals
) -> None:
    """Status, READY with a line a person likes, the watchdog's food, STOPPING, exit 0; no port is left."""
    daemon = start_daemon(processes, write_config(tmp_path, simulator), env=manager.env(watchdog_usec=400_000))
    port = int(metrics_url(daemon).rpartition(":")[2].partition("/")[0])
    ready = manager.wait_for("READY=1")
    wait_until(lambda: manager.listen().count("WATCHDOG=1") >= 3, 10, "the watchdog is fed")
    page = samples(fetch(f"http://127.0.0.1:{port}/metrics"))
    daemon.send(number)

    assert daemon.wait(20) == 0
    assert re.fullmatch(r"READY=1\nSTATUS=running 1 symbol, 0 open orders, 0 positions(, day \+0\.00 USDT)?", ready)
    assert abs(page["realtrading_watchdog_last_ping_timestamp_seconds"] - time.time()) < 10
    told = manager.listen()
    assert told[0].startswith("STATUS=asking")
    assert told[1] == "EXTEND_TIMEOUT_USEC=60000000"
    assert told.index(ready) < told.index("WATCHDOG=1", told.index(ready))
    assert told[-1].startswith("STOPPING=1\nSTATUS=stopping")
    assert manager.senders == {daemon.pid}
    assert not is_open(port)
    assert not traceback_lines(daemon)


def test_ready_waits_for_the_first_clean_round(
    processes: Processes, simulator: dict[str, Any], manager: Manager, tmp_path: Path
) -> None:
    """While the first rounds fail it asks for more time and says why; READY comes when one is clean."""
    order_fault(simulator, action="status_before", match={"path": "/api/v3/myTrades"}, count=3, params={"status": 500})
    daemon = start_daemon(processes, write_config(tmp_path, simulator), env=manager.env())
    manager.wait_for("READY=1", 30)
    daemon.send(signal.SIGTERM)

    assert daemon.wait(20) == 0
    told = manager.listen()
    ready = next(number for number, each in enumerate(told) if "READY=1" in each)
    before = told[:ready]
    assert "EXTEND_TIMEOUT_USEC=15000000" in before
    assert any(each.startswith("STATUS=reconciling: UNCONFIRMED") for each in before)
    failed = [each for each in judge(simulator, "requests")["requests"] if each["path"] == "/api/v3/myTrades"]
    assert len(failed) >= 4


def test_the_watchdog_starves_while_the_process_is_stopped(
    processes: Processes, simulator: dict[str, Any], manager: Manager, tmp_path: Path
) -> None:
    """A process that does not run feeds nobody; continued, it feeds again and judges no actor for the pause."""
    daemon = start_daemon(processes, write_config(tmp_path, simulator), env=manager.env(watchdog_usec=200_000))
    url = metrics_url(daemon)
    manager.wait_for("WATCHDOG=1")
    daemon.send(signal.SIGSTOP)
    wait_until(lambda: stopped(daemon.pid), 5, "it is stopped")
    manager.listen()
    eaten = manager.told.count("WATCHDOG=1")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 3.0, 5, "longer than any actor may hang")
    starved = manager.listen().count("WATCHDOG=1")
    daemon.send(signal.SIGCONT)
    wait_until(lambda: manager.listen().count("WATCHDOG=1") > starved + 1, 10, "it is fed again")

    assert starved == eaten
    assert total(samples(fetch(url)), "realtrading_actor_restarts_total", cause="hang") == 0


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


# --- faults and ends --------------------------------------------------------------------------------------------------


def test_a_crashed_actor_is_one_line_and_one_restart(
    processes: Processes, simulator: dict[str, Any], tmp_path: Path
) -> None:
    """`--fault` ends an actor in the running daemon: it goes on, and says so without a traceback."""
    faults = ("--fault", "actor:orders:exception@0.2", "--fault", "actor:lookup:cancelled@0.4")
    daemon = start_daemon(processes, write_config(tmp_path, simulator), *faults)
    url = metrics_url(daemon)

    def restarts() -> float:
        return total(samples(fetch(url)), "realtrading_actor_restarts_total", cause="crash")

    wait_until(lambda: restarts() >= 1, 20, "orders was restarted")
    daemon.wait_for_line(r"^error: runtime: orders: InjectedFault", 10)
    daemon.send(signal.SIGTERM)

    assert daemon.wait(20) == 0
    assert not traceback_lines(daemon)


def test_a_dead_journal_ends_the_process_at_once(processes: Processes, simulator: dict[str, Any], tmp_path: Path) -> None:
    """Exit 70 within two seconds, one line that says why, and the exchange hears nothing more."""
    daemon = start_daemon(processes, write_config(tmp_path, simulator), "--fault", "actor:journal:exception@0.3")
    daemon.wait_for_line("realtrading: ready", 20)
    daemon.wait_for_line("journal: InjectedFault", 20)
    died = time.monotonic()

    assert daemon.wait(10) == 70
    assert time.monotonic() - died < 2.0
    asked = len(judge(simulator, "requests")["requests"])
    daemon.wait_for_line(r"^realtrading: journal is dead, nothing is sent any more: InjectedFault", 1)
    assert len(judge(simulator, "requests")["requests"]) == asked
    assert not traceback_lines(daemon)


def test_an_actor_that_cannot_be_kept_alive_ends_the_process(
    processes: Processes, simulator: dict[str, Any], manager: Manager, tmp_path: Path
) -> None:
    """A critical actor spends its budget: an orderly stop with exit 70, so that systemd starts over."""
    faults = [part for number in range(1, 9) for part in ("--fault", f"actor:risk:exception@{number / 4}")]
    daemon = start_daemon(processes, write_config(tmp_path, simulator), *faults, env=manager.env())

    assert daemon.wait(30) == 70
    daemon.wait_for_line(r"^realtrading: actor risk cannot be kept alive", 1)
    assert manager.listen()[-1].startswith("STOPPING=1")
    assert not traceback_lines(daemon)


def test_an_occupied_metrics_port_is_told_before_anything_is_asked(
    processes: Processes, simulator: dict[str, Any], tmp_path: Path
) -> None:
    """Exit 75 naming the address; the exchange hears nothing of it."""
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        config = write_config(tmp_path, simulator, more=f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
        daemon = start_daemon(processes, config)
        assert daemon.wait(20) == 75

    assert daemon.err == [f"realtrading: metrics cannot listen on 127.0.0.1:{port}: Address already in use"]
    assert judge(simulator, "requests")["requests"] == []


# --- --fault ----------------------------------------------------------------------------------------------------------


def settings(mode: str = "simulated") -> Settings:
    url = f"http://127.0.0.1:{free_port()}"
    urls = VenueUrls(rest_url=url, ws_api_url=url.replace("http", "ws"), stream_url=url.replace("http", "ws"))
    grid = StrategySettings(name="grid", use="m:Grid", symbols=("BTCUSDT",))
    venue = urls if mode == "simulated" else None
    return Settings(mode=mode, symbols=("BTCUSDT",), strategies=(grid,), venue=venue)  # type: ignore[arg-type]


def test_a_fault_names_actor_kind_and_moment() -> None:
    """Every kind is known, and strategies are actors too."""
    texts = [f"actor:orders:{kind.value}@{number}.5" for number, kind in enumerate(FaultKind)]
    found = timed_faults([*texts, "actor:strategy:grid:hang@7"], settings())

    assert found == [
        *(TimedFault("orders", kind, number + 0.5) for number, kind in enumerate(FaultKind)),
        TimedFault("strategy:grid", FaultKind.HANG, 7.0),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("orders:exception@2", "not actor:NAME:KIND@SECONDS"),
        ("actor:orders:explode@2", "KIND one of exception, system_exit, cancelled, fails_to_start, dead_thread, hang"),
        ("actor:orders:exception", "not actor:NAME:KIND@SECONDS"),
        ("actor:orders:exception@-1", "not actor:NAME:KIND@SECONDS"),
        ("actor:orders:exception@1e3", "not actor:NAME:KIND@SECONDS"),
        ("actor:nobody:exception@2", "no actor nobody (there are: journal, orders,"),
        ("actor:strategy:other:hang@2", "no actor strategy:other"),
    ],
)
def test_a_fault_that_is_none_is_refused(text: str, told: str) -> None:
    """One sentence that names the option and what is wrong with it; exit code 2."""
    with pytest.raises(BadInput) as refused:
        timed_faults([text], settings())

    assert str(refused.value).startswith(f"--fault {text!r}: ")
    assert told in str(refused.value)
    assert refused.value.exit_code == 2


def test_faults_are_for_the_simulator_only() -> None:
    """Where the orders may be real, nobody breaks actors on purpose."""
    with pytest.raises(BadInput, match="--fault is for mode simulated only, this is mode testnet"):
        timed_faults(["actor:orders:exception@2"], settings("testnet"))


# --- log lines --------------------------------------------------------------------------------------------------------


def record(level: int, text: str, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, None)
    return logging.LogRecord("realtrading.venue", level, __file__, 1, text, (), info)


def test_a_record_is_one_line_without_secrets() -> None:
    """Level, room, text; many lines become one, an exception its class and text, and no signature is shown."""
    line = OneLine(prefixed=False).format(record(logging.ERROR, "GET /order?signature=abc123&x=1\nfailed", OSError("gone")))

    assert line == "error: venue: GET /order?signature=…&x=1 failed: OSError: gone"


@pytest.mark.parametrize(("level", "prefix"), [(logging.INFO, "<6>"), (logging.WARNING, "<4>"), (logging.CRITICAL, "<2>")])
def test_journald_is_told_the_level_in_its_own_way(level: int, prefix: str) -> None:
    """A number in angle brackets, which journald takes off again."""
    assert OneLine(prefixed=True).format(record(level, "hello")) == f"{prefix}venue: hello"


def test_the_journal_is_recognised_by_its_stream(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only when JOURNAL_STREAM names the very file that stderr is."""
    with (tmp_path / "stderr").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        own = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{own.st_dev}:{own.st_ino}")
        assert under_journald()
        monkeypatch.setenv("JOURNAL_STREAM", f"{own.st_dev}:{own.st_ino + 1}")
        assert not under_journald()
