"""The simulator as a process: its ready line, its end, and what it says when it cannot start."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from processes import Processes, Running
from realtrading.sim.cli import run
from waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 20


def serve(processes: Processes, *arguments: str) -> Running:
    """Start `sim serve` on a free port unless the arguments say otherwise."""
    listen = () if "--listen" in arguments else ("--listen", "127.0.0.1:0")
    return processes.python("-m", "realtrading.sim", "serve", *listen, *arguments, cwd=ROOT)


def ready(running: Running) -> dict[str, Any]:
    """The ready line."""
    line: dict[str, Any] = json.loads(running.wait_for_line(r"^\{.*\}$", DEADLINE_S).group())
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ready_line_and_clean_end(processes: Processes, shared_dir: Path, number: signal.Signals) -> None:
    """One JSON line when ready, with all a client needs; a signal ends it with exit code 0 and nothing on stderr."""
    tape = shared_dir / "tapes" / "BTCUSDT-trades-2021-01-08.csv"
    running = serve(processes, "--tape", str(tape), "--symbol", "BTCUSDT", "--hold", "--key", "K", "--secret", "S")
    line = ready(running)
    assert (line["ready"], line["symbols"], line["uid"]) == (True, ["BTCUSDT"], 1001)
    assert (line["tape_trades"], line["tape_span_s"]) == (2001, 46.077)
    assert (line["key"], line["secret"]) == ("K", "S")
    with urllib.request.urlopen(line["rest_url"] + "/v3/time", timeout=DEADLINE_S) as answer:
        assert "serverTime" in json.load(answer)
    running.send(number)
    assert running.wait(DEADLINE_S) == 0
    assert (len(running.out), running.err) == (1, [])


def test_end_with_clients_connected(processes: Processes) -> None:
    """Open connections, idle or waiting for a delayed answer, do not keep it from ending."""
    running = serve(processes)
    line = ready(running)
    host, _, port = line["listen"].rpartition(":")
    fault = json.dumps({"action": "delay_before", "params": {"ms": 60_000}}).encode()
    with urllib.request.urlopen(line["control_url"] + "/faults", data=fault, timeout=DEADLINE_S):
        pass
    hello = "GET /ws-api/v3 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    hello += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    with socket.create_connection((host, int(port))) as stream, socket.create_connection((host, int(port))) as waiting:
        stream.sendall(hello.encode())
        assert stream.recv(1024).startswith(b"HTTP/1.1 101")
        waiting.sendall(b"GET /api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n")

        def asked() -> bool:
            with urllib.request.urlopen(line["control_url"] + "/requests", timeout=DEADLINE_S) as answer:
                return bool(json.load(answer)["requests"])

        wait_until(asked, DEADLINE_S, "the request that waits")
        running.send(signal.SIGTERM)
        assert running.wait(DEADLINE_S) == 0
    assert running.err == []


def test_keys_are_generated(processes: Processes) -> None:
    """Without --key and --secret both are made up, long, and different every time."""
    first, second = ready(serve(processes)), ready(serve(processes))
    assert len(first["key"]) == len(first["secret"]) == 64
    assert len({first["key"], first["secret"], second["key"], second["secret"]}) == 4


def test_occupied_port(processes: Processes) -> None:
    """A port that is taken is exit code 75 and one line that names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = serve(processes, "--listen", f"127.0.0.1:{port}")
        assert running.wait(DEADLINE_S) == 75
    assert len(running.err) == 1
    assert f"127.0.0.1:{port}" in running.err[0]


@pytest.mark.parametrize(("arguments", "named"), [
    (("--listen", "0.0.0.0:0"), "0.0.0.0"), (("--listen", "127.0.0.1"), "--listen"),
    (("--listen", "127.0.0.1:99999"), "99999"), (("--listen", "example.org:1"), "example.org"),
    (("--tape", "nowhere.csv"), "nowhere.csv"), (("--tape", "."), "directory"),
    (("--speed", "fast"), "--speed"), (("--speed", "0"), "--speed"), (("--speed", "nan"), "--speed"),
    (("--speed", "1", "--step"), "--step"), (("--duration", "-3"), "--duration"), (("--balance", "USDT"), "USDT"),
    (("--balance", "USDT=1e3"), "1e3"), (("--balance", "USDT=1_000"), "1_000"),
    (("--balance", "USDT=0.000000001"), "decimals"), (("--balance", "USDT=1", "--balance", "USDT=2"), "twice"),
    (("--key", "K"), "--secret"), (("--symbol", "btc"), "btc"),
    (("--symbol", "BTCUSDT", "--symbol", "BTCUSDT"), "twice"), (("--symbol", "QQQ"), "QQQ"),
    (("--base", "BTC"), "--quote"), (("--fee-maker", "2"), "--fee-maker"),
    (("--filters", "nowhere.json"), "nowhere.json"), (("--frobnicate",), "--frobnicate"),
    (("--seed", "x"), "--seed"), (("--key", "é", "--secret", "s"), "--key"), (("stray",), "stray"),
])  # fmt: skip
def test_bad_arguments(arguments: tuple[str, ...], named: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A mistake is exit code 2 and one line on stderr that names it; nothing is served."""
    listen = () if "--listen" in arguments else ("--listen", "127.0.0.1:0")
    assert run(["serve", *listen, *arguments]) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert named in said.err
    assert said.err.count("\n") == 1


def test_help(capfd: pytest.CaptureFixture[str]) -> None:
    """--help names every option and exits 0; no command at all shows the help on stderr and exits 2."""
    assert run(["serve", "--help"]) == 0
    shown = capfd.readouterr().out
    for option in ("--listen", "--tape", "--speed", "--duration", "--step", "--hold", "--filters", "--balance"):
        assert option in shown
    assert run([]) == 2
    assert "serve" in capfd.readouterr().err
