"""The daemon's socket: who may ask, what is understood, and that nobody there can hurt the house."""

import contextlib
import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from realtrading.config import load
from realtrading.doors.socket.client import NotReachable, ask
from realtrading.doors.socket.place import Peer, address_in, folder_of
from realtrading.doors.socket.protocol import FILE, REQUEST_MAX, Request, request_of
from realtrading.doors.socket.server import CONNECTIONS_MAX, Door
from realtrading.errors import BadInput, HouseError
from waiting import wait_until

Answerer = Callable[[Request, Peer, threading.Event], dict[str, Any]]
Doors = Callable[..., Door]


def echo(request: Request, peer: Peer, closing: threading.Event) -> dict[str, Any]:
    """Says what it was asked, and by whom."""
    return {"command": request.command, "arguments": request.arguments, "pid": peer.pid, "uid": peer.uid}


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    """Opens doors; all are closed at the end, and no thread of theirs is left."""
    opened: list[Door] = []

    def make(answer: Answerer = echo, folder: Path | None = None, **given: Any) -> Door:
        opened.append(Door(folder or tmp_path / "door", answer, **given))
        return opened[-1]

    yield make
    left = [door.path for door in opened if not door.close()]
    assert not left
    assert not threads()


def threads() -> list[str]:
    """The door's threads that run."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("door")]


@contextlib.contextmanager
def talking(door: Door) -> Iterator[socket.socket]:
    """A client that says what it likes."""
    folder = os.open(door.path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(address_in(folder))
        os.close(folder)
        yield connection


def say(connection: socket.socket, line: bytes) -> dict[str, Any]:
    """Send bytes and read one answer."""
    with contextlib.suppress(BrokenPipeError):  # the answer may have come before all was sent
        connection.sendall(line)
    return read(connection)


def read(connection: socket.socket) -> dict[str, Any]:
    """The next answer; nothing when the door has ended the talk."""
    got = b""
    while not got.endswith(b"\n"):
        more = connection.recv(1)  # not a byte of the answer after it
        if not more:
            break
        got += more
    found: dict[str, Any] = json.loads(got) if got else {}
    return found


def ended(connection: socket.socket) -> bool:
    """Whether the door has hung up."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def line(command: str = "hello", **arguments: Any) -> bytes:
    return json.dumps({"schema": 1, "command": command, "arguments": arguments}).encode() + b"\n"


# --- the place --------------------------------------------------------------------------------------------------------


def test_the_place_is_closed_to_others(doors: Doors, tmp_path: Path) -> None:
    """The folder is 0700, also when it was not; the socket is 0600."""
    (tmp_path / "door").mkdir(mode=0o755)
    door = doors()

    assert stat.S_IMODE(door.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(door.path.stat().st_mode) == 0o600
    assert stat.S_ISSOCK(door.path.stat().st_mode)


def test_folders_on_the_way_are_closed_too(doors: Doors, tmp_path: Path) -> None:
    """The folder above may be the one of the journal, which nobody else may enter."""
    door = doors(folder=tmp_path / "state" / "door")

    assert stat.S_IMODE(door.path.parent.parent.stat().st_mode) == 0o700


def test_what_a_dead_daemon_left_is_replaced(doors: Doors, tmp_path: Path) -> None:
    """A socket file that nobody holds any more is no hindrance."""
    folder = tmp_path / "door"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / FILE))
    with pytest.raises(NotReachable, match="not running"):
        ask(folder, "hello")

    doors()

    assert ask(folder, "hello")["command"] == "hello"


def test_a_living_one_is_not_pushed_aside(doors: Doors) -> None:
    """The second is refused with 75, the first goes on; when it is closed the place is free."""
    first = doors()
    with pytest.raises(BadInput, match="another daemon listens") as refused:
        doors()

    assert refused.value.exit_code == 75
    assert ask(first.path.parent, "hello")["command"] == "hello"
    first.close()
    second = doors()
    assert ask(second.path.parent, "again")["command"] == "again"


def test_a_file_that_is_no_socket_is_left_alone(doors: Doors, tmp_path: Path) -> None:
    """Somebody's file under that name is told about, not removed."""
    (tmp_path / "door").mkdir()
    (tmp_path / "door" / FILE).write_text("mine")
    with pytest.raises(BadInput, match="is no socket") as refused:
        doors()

    assert refused.value.exit_code == 4
    assert (tmp_path / "door" / FILE).read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(doors: Doors, tmp_path: Path) -> None:
    """The folder above is a file: exit code 4, and its name."""
    (tmp_path / "state").write_text("")
    with pytest.raises(BadInput, match=r"no folder for the socket: .*/state: file exists") as refused:
        doors(folder=tmp_path / "state" / "door")

    assert refused.value.exit_code == 4


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_folder_that_is_none_is_refused(doors: Doors, tmp_path: Path, kind: str) -> None:
    """A file or a link in its place could lead anywhere: exit code 4."""
    if kind == "file":
        (tmp_path / "door").write_text("")
    else:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "door").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="no socket in") as refused:
        doors()

    assert refused.value.exit_code == 4


def test_a_path_may_be_longer_than_an_address(doors: Doors, tmp_path: Path) -> None:
    """An address has room for 107 bytes; folders may be deeper."""
    deep = tmp_path / ("d" * 120) / "door"
    deep.parent.mkdir()
    doors(folder=deep)

    assert ask(deep, "hello")["command"] == "hello"


def test_closing_takes_the_file_and_the_threads(doors: Doors) -> None:
    """Whoever waits is cut off, whatever works is told, nothing is left; closing twice is closing once."""
    working = threading.Event()

    def work(request: Request, peer: Peer, closing: threading.Event) -> dict[str, Any]:
        working.set()
        return {"told": closing.wait(10)}

    door = doors(work)
    with talking(door) as idle, talking(door) as busy:
        busy.sendall(line())
        assert working.wait(5)
        assert door.close()

        assert ended(idle)
    assert door.close()
    assert not door.path.exists()
    assert not threads()


def test_the_service_managers_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$RUNTIME_DIRECTORY (the first of several), else where the state is; the file's own word wins."""
    file = tmp_path / "house.toml"

    def place(more: str = "") -> str:
        file.write_text(f'[engine]\nsymbols = ["BTCUSDT"]\n{more}')
        return str(folder_of(load(file)))

    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert place() == f"{tmp_path}/state/door-testnet"
    assert place('state_dir = "var"\n') == f"{tmp_path}/var/door-testnet"
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/one:/run/two")
    assert place() == "/run/one/door-testnet"
    assert place('runtime_dir = "mine"\n') == f"{tmp_path}/mine/door-testnet"


# --- who may ask ------------------------------------------------------------------------------------------------------


def test_the_kernel_says_who_asks(doors: Doors) -> None:
    """Process and user are not what the client claims."""
    door = doors()

    told = ask(door.path.parent, "hello", {"uid": 7})

    assert (told["pid"], told["uid"]) == (os.getpid(), os.geteuid())


@pytest.mark.parametrize(("uid", "let_in"), [(0, True), (os.geteuid(), True), (65_534, False)])
def test_only_its_own_user_and_root_are_let_in(doors: Doors, uid: int, let_in: bool) -> None:
    """Anybody else hears one sentence and is never listened to."""
    asked: list[Request] = []

    def remember(request: Request, peer: Peer, closing: threading.Event) -> dict[str, Any]:
        asked.append(request)
        return {}

    door = doors(remember, credentials=lambda connection: Peer(pid=1, uid=uid))
    if let_in:
        assert ask(door.path.parent, "hello") == {}
    else:
        with pytest.raises(BadInput, match="own user and root") as refused:
            ask(door.path.parent, "hello")
        assert refused.value.exit_code == 6
    assert bool(asked) is let_in


def test_a_client_whose_name_cannot_be_had_is_dropped(doors: Doors) -> None:
    """It is gone already, or the kernel will not say: the next one is served."""
    names: list[Peer | None] = [None, Peer(pid=1, uid=0)]

    def credentials(connection: socket.socket) -> Peer:
        name = names.pop(0)
        if name is None:
            raise OSError("not connected")
        return name

    door = doors(credentials=credentials)
    with talking(door) as nameless:
        assert ended(nameless)

    assert ask(door.path.parent, "hello")["pid"] == 1


# --- what is understood -----------------------------------------------------------------------------------------------


def test_many_requests_may_come_on_one_connection(doors: Doors) -> None:
    """Each line has its answer, in order, also when two come at once or one comes in pieces."""
    with talking(doors()) as client:
        assert say(client, line("one"))["answer"]["command"] == "one"
        assert say(client, line("two", x=[1, "2"]) + line("three"))["answer"]["arguments"] == {"x": [1, "2"]}
        assert read(client)["answer"]["command"] == "three"
        whole = line("four")
        client.sendall(whole[:9])
        answer = say(client, whole[9:])
    assert (answer["schema"], answer["ok"], answer["answer"]["command"]) == (1, True, "four")


GARBAGE = {
    b"\n": "not JSON",
    b"hello\n": "not JSON",
    b"\xff\xfe{}\n": "not JSON",
    b"[]\n": "not a JSON object",
    b"{}\n": "schema None",
    b'{"schema":2,"command":"hello"}\n': r"schema 2 \(spoken here: 1\)",
    b'{"schema":true,"command":"hello"}\n': "schema True",
    b'{"schema":1.0,"command":"hello"}\n': "schema 1.0",
    b'{"schema":1}\n': "a request has a command",
    b'{"schema":1,"command":7}\n': "a request has a command",
    b'{"schema":1,"command":"hello","arguments":[]}\n': "a request has a command",
    b'{"schema":1,"command":"hello","uid":0}\n': "unknown members 'uid'",
    b'{"schema":1,"command":"hello","arguments":{"x":NaN}}\n': "NaN is no number",
    b'{"schema":1,"command":"hello","arguments":{"x":' + b"9" * 5000 + b"}}\n": "not JSON",
    b"[" * 60_000 + b"\n": "nested too deeply",
    b"x" * (REQUEST_MAX + 1) + b"\n": "longer than 65536 bytes",
    b"x" * (4 * REQUEST_MAX): "longer than 65536 bytes",
}


@pytest.mark.parametrize(("said", "told"), GARBAGE.items(), ids=lambda value: str(value)[:30])
def test_what_is_no_request_is_told_and_ends_the_talk(doors: Doors, said: bytes, told: str) -> None:
    """One sentence with exit code 2; the door lives."""
    door = doors()
    with talking(door) as client:
        answer = say(client, said)
        assert ended(client)

    assert (answer["ok"], answer["exit_code"]) == (False, 2)
    with pytest.raises(BadInput, match=told):
        raise BadInput(answer["error"])
    assert ask(door.path.parent, "hello")["command"] == "hello"


def test_the_longest_line_is_understood(doors: Doors) -> None:
    """64 KiB without the line's end; a byte more is too much."""
    frame = len(line("hello", x="")) - 1
    with talking(doors()) as client:
        answer = say(client, line("hello", x="x" * (REQUEST_MAX - frame)))
        refused = say(client, line("hello", x="x" * (REQUEST_MAX - frame + 1)))

    assert len(answer["answer"]["arguments"]["x"]) == REQUEST_MAX - frame
    assert refused["exit_code"] == 2


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
@example(b'{"schema":1,"command":"\\ud800"}')
def test_no_bytes_get_anything_but_a_request_or_a_refusal(said: bytes) -> None:
    """Whatever a line holds, it is understood as a request or refused as a person's mistake."""
    exit_code, understood = 2, None
    try:
        understood = request_of(said)
    except BadInput as refused:
        exit_code = refused.exit_code
    assert exit_code == 2
    assert understood is None or isinstance(understood.command, str)


def test_a_line_broken_off_is_no_request(doors: Doors) -> None:
    """A client that ends in the middle of a line has asked nothing."""
    asked: list[str] = []

    def remember(request: Request, peer: Peer, closing: threading.Event) -> dict[str, Any]:
        asked.append(request.command)
        return {}

    with talking(doors(remember)) as client:
        client.sendall(line()[:-1])
        client.shutdown(socket.SHUT_WR)
        answer = read(client)

    assert answer["exit_code"] == 2
    assert not asked


# --- the slow and the rude --------------------------------------------------------------------------------------------


def test_two_are_served_at_once(doors: Doors) -> None:
    """A command that takes long holds up nobody else."""
    go = threading.Event()

    def wait(request: Request, peer: Peer, closing: threading.Event) -> dict[str, Any]:
        return {"waited": go.wait(10) if request.command == "long" else None}

    door = doors(wait)
    with talking(door) as slow:
        slow.sendall(line("long"))
        assert ask(door.path.parent, "short") == {"waited": None}
        go.set()
        assert read(slow)["answer"] == {"waited": True}


@pytest.mark.parametrize("dripped", [b"", b'{"schema":1,'])
def test_who_does_not_ask_in_time_is_cut(doors: Doors, dripped: bytes) -> None:
    """The whole line has one deadline, however busily its bytes drip; others are served meanwhile."""
    door = doors(line_s=0.3)
    with talking(door) as slow:
        slow.sendall(dripped)
        assert ask(door.path.parent, "hello")["command"] == "hello"

        def drip() -> bool:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                if dripped:
                    slow.send(b" ")
            return threads() == ["door"]

        wait_until(drip, 5, "the slow client is cut")
        assert ended(slow)


def test_who_does_not_take_his_answer_is_cut(doors: Doors) -> None:
    """A large answer waits for nobody longer than a moment."""
    door = doors(lambda request, peer, closing: {"much": "x" * 8_000_000}, answer_s=0.3)
    with talking(door) as deaf:
        deaf.sendall(line())
        wait_until(lambda: len(threads()) == 2, 5, "it is served")
        wait_until(lambda: threads() == ["door"], 5, "it is cut")

    assert len(ask(door.path.parent, "hello")["much"]) == 8_000_000


def test_only_a_few_may_ask_at_once(doors: Doors) -> None:
    """One too many hears so at once, with exit code 6; when one has gone there is room."""
    door = doors()
    with contextlib.ExitStack() as crowd:
        clients = [crowd.enter_context(talking(door)) for _ in range(CONNECTIONS_MAX)]
        for client in clients:
            assert say(client, line())["ok"]
        with pytest.raises(BadInput, match="are asking already") as refused:
            ask(door.path.parent, "hello")
        assert refused.value.exit_code == 6
        clients[0].close()
        wait_until(lambda: len(threads()) <= CONNECTIONS_MAX, 5, "one has gone")
        assert ask(door.path.parent, "hello")["command"] == "hello"


@pytest.mark.parametrize(
    ("failure", "exit_code", "told"),
    [
        (BadInput("no such thing", exit_code=8), 8, "no such thing"),
        (HouseError("a promise broke"), 1, "HouseError: a promise broke"),
        (KeyError("oops"), 1, "KeyError: 'oops'"),
    ],
)
def test_a_failure_is_the_askers_answer(doors: Doors, failure: Exception, exit_code: int, told: str) -> None:
    """With its exit code, on a connection that stays; a mistake of ours ends nothing."""

    def fail(request: Request, peer: Peer, closing: threading.Event) -> dict[str, Any]:
        if request.command == "fail":
            raise failure
        return {}

    with talking(doors(fail)) as client:
        answer = say(client, line("fail"))
        again = say(client, line("hello"))

    assert (answer["exit_code"], answer["error"]) == (exit_code, told)
    assert again["ok"]


# --- the client -------------------------------------------------------------------------------------------------------


def test_an_engine_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    """No folder, no file, nobody behind the file: exit code 3."""
    for folder in (tmp_path / "nothing", tmp_path):
        with pytest.raises(NotReachable, match="the engine is not running: nobody listens at") as refused:
            ask(folder, "hello")
        assert (refused.value.exit_code, refused.value.silent) == (3, False)


def test_an_engine_that_does_not_answer_is_not_waited_for(doors: Doors) -> None:
    """A process that was stopped takes connections and says nothing."""
    go = threading.Event()
    door = doors(lambda request, peer, closing: {"waited": go.wait(10)})
    with pytest.raises(NotReachable, match=rf"\(pid {os.getpid()}\) did not answer within 0.2 s") as refused:
        ask(door.path.parent, "hello", timeout_s=0.2)
    go.set()

    assert (refused.value.exit_code, refused.value.silent) == (3, True)
