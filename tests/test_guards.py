"""The guards that other tests rely on: each of them bites."""

import asyncio
import functools
import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

import netguard
import ports
import purity
from processes import Processes
from waiting import DeadlinePassed, wait_until

# an address that documents use and nobody owns: were the guard broken, nothing would be harmed
ELSEWHERE = "192.0.2.1"


class TestNetwork:
    @pytest.fixture(autouse=True)
    def _forget(self, _loopback_only: None):
        yield
        netguard.touched.clear()

    @pytest.mark.parametrize("call", ["connect", "connect_ex", "bind"])
    def test_socket_call_beyond_loopback_raises_and_is_remembered(self, call: str) -> None:
        """A connect or bind to an address that is not loopback raises, and stays known when the error is swallowed."""
        with socket.socket() as one, pytest.raises(netguard.NetworkTouched):
            getattr(one, call)((ELSEWHERE, 9))

        assert [f"{call} ('{ELSEWHERE}', 9)"] == netguard.touched

    def test_listening_on_every_interface_is_refused(self) -> None:
        """Binding the wildcard address is refused: a test server may be reached from this machine only."""
        with socket.socket() as one, pytest.raises(netguard.NetworkTouched):
            one.bind(("", 0))

        assert ["bind ('', 0)"] == netguard.touched

    def test_lookup_of_a_foreign_name_raises_in_asyncio_too(self) -> None:
        """A host name other than localhost is never looked up, asyncio's thread pool included."""

        async def look() -> None:
            await asyncio.get_running_loop().getaddrinfo("exchange.invalid", 443)

        with pytest.raises(netguard.NetworkTouched):
            asyncio.run(look())

        assert ["getaddrinfo 'exchange.invalid'"] == netguard.touched

    def test_loopback_is_free(self) -> None:
        """A connection to 127.0.0.1 and to localhost is nobody's business."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            socket.create_connection(("localhost", port), timeout=5).close()

        assert [] == netguard.touched

    def test_a_started_python_is_guarded_too(self, processes: Processes) -> None:
        """A Python that a test starts refuses foreign addresses, and the test hears of it at its end."""
        program = f"import socket; socket.create_connection(({ELSEWHERE!r}, 9))"
        child = processes.python("-c", program)

        assert 1 == child.wait(30)
        assert any(netguard.MARK in problem for problem in child.end())
        processes.forget(child)


class TestPurity:
    @pytest.mark.parametrize(
        "impure",
        [
            lambda folder: threading.Thread(target=print).start(),
            lambda folder: functools.partial(time.sleep, 0)(),
            lambda folder: socket.socket(),
            lambda folder: open(folder / "file", "w"),  # noqa: SIM115 - it never opens
            lambda folder: (folder / "file").write_text("text"),
            lambda folder: os.open(folder / "file", os.O_CREAT | os.O_WRONLY),
        ],
        ids=["thread", "sleep", "socket", "open", "pathlib", "os.open"],
    )
    def test_impure_call_raises_and_is_remembered(self, impure, tmp_path: Path) -> None:
        """Each impure call raises under the guard and leaves its trace, should the error be swallowed."""
        with pytest.MonkeyPatch.context() as patch:
            attempts = purity.forbid(patch, tool_cache=tmp_path / "cache")
            with pytest.raises(purity.Impure):
                impure(tmp_path)

        assert 1 == len(attempts)
        assert [] == list(tmp_path.iterdir())

    def test_reading_and_the_tools_own_cache_are_free(self, tmp_path: Path) -> None:
        """Files may be read, and the test tool may keep its cache."""
        with pytest.MonkeyPatch.context() as patch:
            attempts = purity.forbid(patch, tool_cache=tmp_path)
            text = Path(__file__).read_text()
            (tmp_path / "table").write_text("kept")

        assert text.startswith('"""')
        assert "kept" == (tmp_path / "table").read_text()
        assert [] == attempts

    def test_an_event_loop_may_run(self, tmp_path: Path) -> None:
        """A coroutine may be driven by asyncio, whose self-pipe reaches nobody."""

        async def answer() -> int:
            await asyncio.sleep(0)
            return 42

        with pytest.MonkeyPatch.context() as patch:
            attempts = purity.forbid(patch, tool_cache=tmp_path)

            assert 42 == asyncio.run(answer())
        assert [] == attempts


class TestWaiting:
    def test_first_truthy_answer_is_returned(self) -> None:
        """wait_until returns what the condition returned when it first was true."""
        answers = iter([0, None, "yes"])

        assert "yes" == wait_until(lambda: next(answers), 5, "an answer")

    def test_deadline_names_what_was_awaited(self) -> None:
        """A condition that stays false ends the wait with the text of what was awaited and its last answer."""
        with pytest.raises(DeadlinePassed, match=r"rain in the desert \(last answer: 0\)"):
            wait_until(lambda: 0, 0.05, "rain in the desert")

    def test_ports_are_given_once_and_can_be_listened_on(self) -> None:
        """Two calls for a free port give two ports, and each can be bound at once."""
        first, second = ports.free_port(), ports.free_port()

        assert first != second
        with socket.create_server(("127.0.0.1", first)), socket.create_server(("127.0.0.1", second)):
            assert 20_000 <= min(first, second)


class TestProcesses:
    def test_lines_and_exit_code_are_collected(self, processes: Processes) -> None:
        """A started program's lines can be waited for while it runs, and its exit code when it ends."""
        child = processes.python("-c", "import sys; print('ready 7'); sys.exit(3)")

        assert "7" == child.wait_for_line(r"ready (\d+)", 30)[1]
        assert 3 == child.wait(30)
        assert ["ready 7"] == child.out

    def test_end_without_the_awaited_line_is_told_at_once(self, processes: Processes) -> None:
        """Waiting for a line of a program that ended without it fails with what the program said instead."""
        child = processes.python("-c", "print('sorry')")

        with pytest.raises(DeadlinePassed, match="sorry"):
            child.wait_for_line("ready", 30)

    def test_a_grandchild_left_behind_is_found_and_ended(self, processes: Processes) -> None:
        """A process that outlives the program that started it is a problem named at the end, and is ended."""
        grandchild = [sys.executable, "-c", "import signal; signal.pause()"]
        child = processes.python("-c", f"import subprocess; print(subprocess.Popen({grandchild!r}).pid)")
        orphan = int(child.wait_for_line(r"^\d+$", 30)[0])

        problems = child.end()

        assert any("left processes behind" in problem for problem in problems)
        wait_until(lambda: not _runs(orphan), 10, "the end of the orphan")
        processes.forget(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_skip_is_a_failure_where_all_is_required(pytester_run) -> None:
    """Under REALTRADING_REQUIRE_ALL=1 a skipped test and a skipped file fail the run, and name their reasons."""
    source = 'import pytest\n\ndef test_one():\n    pytest.skip("no such tool")\n'

    assert (0, "1 skipped") == pytester_run(source, require_all=False)
    assert (1, "1 failed") == pytester_run(source, require_all=True)
    assert (2, "1 error") == pytester_run('import pytest\npytest.importorskip("no_such_module")\n', require_all=True)


@pytest.fixture
def pytester_run(processes: Processes, tmp_path: Path):
    """Runs one test file in a pytest of its own with our conftest; returns the exit code and the closing count."""

    def run(source: str, *, require_all: bool) -> tuple[int, str]:
        (tmp_path / "test_inner.py").write_text(source)
        here = Path(__file__).parent
        plugins = ["-p", "no:cacheprovider", "-p", "conftest", "--confcutdir", str(tmp_path)]
        env = {"REALTRADING_REQUIRE_ALL": "1" if require_all else "0", "PYTHONPATH": str(here)}
        child = processes.python("-m", "pytest", "-q", *plugins, "test_inner.py", env=env)
        code = child.wait(60)
        return code, child.out[-1].partition(" in ")[0]

    return run
