"""The simulated exchange as a process of its own: started, asked and told at its judge's door, always ended by pid."""
from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from realtrading.errors import BadInput, HouseError

READY_S = 60.0
"""A big tape takes its time to read."""

ANSWER_S = 10.0
END_S = 5.0
_PASSED_ON = (2, 75)
_OWN_NAME = "realtrading sim: "
# a proxy of the machine must not stand between us and the loopback
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@attrs.frozen(kw_only=True)
class Ready:
    """What the simulator says of itself when it listens."""

    rest_url: str
    ws_api_url: str
    stream_url: str
    control_url: str
    key: str
    secret: str = attrs.field(repr=False)
    uid: int
    symbol: str
    tape_trades: int
    tape_span_s: float
    tape_moves: int

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Ready:
        """The ready line, read."""
        names = [field.name for field in attrs.fields(cls) if field.name != "symbol"]
        return cls(symbol=said["symbols"][0], **{name: said[name] for name in names})


def _same_package() -> dict[str, str]:
    """The environment in which the child imports this very package, and nothing from the folder it is started in."""
    paths = [str(Path(__file__).resolve().parents[3]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


class Simulator:
    """One simulator process; a context manager that leaves nothing behind. `errors` is the file for its stderr."""

    def __init__(self, arguments: list[str], errors: Path) -> None:
        self._errors = errors
        with errors.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "realtrading.sim", "serve", "--listen", "127.0.0.1:0", *arguments],
                env=_same_package(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                # a group of its own: Ctrl-C in the terminal is for us, and we end it when we are done with it
                process_group=0,
                # nothing is buffered, so what can be read is what the selector says
                bufsize=0,
            )
        try:
            self.ready = Ready.of(json.loads(self._first_line()))
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """End it, the hard way if it must be. Idempotent."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    # -- the exchange's own door ----------------------------------------------

    def public(self, path: str) -> Any:
        """GET a public endpoint below /api."""
        return self._ask(f"{self.ready.rest_url}/v3/{path}", None)

    # -- the judge's door -----------------------------------------------------

    def look(self, path: str) -> Any:
        """GET below /sim."""
        return self._ask(f"{self.ready.control_url}/{path}", None)

    def tell(self, path: str, **given: Any) -> Any:
        """POST below /sim."""
        return self._ask(f"{self.ready.control_url}/{path}", given)

    def forget_faults(self) -> None:
        """Scripted faults that have not fired never will."""
        self._ask(f"{self.ready.control_url}/faults", None, method="DELETE")

    def _ask(self, url: str, given: Mapping[str, Any] | None, method: str | None = None) -> Any:
        body = None if given is None else json.dumps(given).encode()
        request = urllib.request.Request(url, data=body, method=method)
        try:
            with _OPENER.open(request, timeout=ANSWER_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            text = refused.read().decode(errors="replace")
            try:
                text = str(json.loads(text).get("error", text))
            except (ValueError, AttributeError):
                pass  # then the bare text has to do
            raise BadInput(f"the simulator refuses {url.rpartition('/')[2]}: {text}") from None
        except (urllib.error.URLError, OSError) as silent:
            raise HouseError(f"the simulator does not answer at {url}: {silent}") from None

    # -- the start ------------------------------------------------------------

    def _first_line(self) -> bytes:
        assert self._process.stdout is not None
        ends_at, line = time.monotonic() + READY_S, b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                left = ends_at - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise HouseError(f"the simulator was not ready within {READY_S:g} s")
                piece = self._process.stdout.read(1 << 16)
                if not piece:
                    self._did_not_start()
                line += piece
        return line

    def _did_not_start(self) -> None:
        code = self._process.wait()
        said = self._errors.read_text(errors="replace").strip()
        if code in _PASSED_ON and said:
            lines = (line.removeprefix(_OWN_NAME) for line in said.splitlines())
            raise BadInput("\n".join(lines), exit_code=code)
        raise HouseError(f"the simulator ended with code {code}: {said.splitlines()[-1] if said else 'without a word'}")
