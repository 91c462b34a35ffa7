"""What the commands that ask a running engine share: where it is, and what to do when nobody listens."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from realtrading.config import load
from realtrading.domain.settings import Settings
from realtrading.doors.socket.client import ANSWER_S, NotReachable, ask
from realtrading.doors.socket.place import folder_of
from realtrading.doors.socket.protocol import EXIT_NOT_REACHABLE, SCHEMA
from realtrading.errors import BadInput

CONFIG = click.option(
    "--config",
    "config_file",
    default="realtrading.toml",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The TOML file that the engine runs with.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")

Answer = dict[str, Any]


class House:
    """The engine that runs with this file, or the journal it left."""

    def __init__(self, config_file: Path) -> None:
        """Raises `BadInput` for a file that is no configuration."""
        self.settings: Settings = load(config_file)
        self.journal = Path(self.settings.journal_path)

    def answer(self, command: str, arguments: dict[str, Any], timeout_s: float = ANSWER_S) -> Answer:
        """The running engine's answer. Raises `NotReachable`, or the engine's refusal."""
        return ask(folder_of(self.settings), command, arguments, timeout_s)

    def ask_or_read(self, command: str, read: Callable[[], Answer], **arguments: Any) -> Answer:
        """The running engine's answer, else the journal's, which `nobody` marks with why."""
        try:
            return self.answer(command, arguments)
        except NotReachable as nobody:
            return {**self.read(read, nobody), "nobody": str(nobody), "silent": nobody.silent}

    def read(self, read: Callable[[], Answer], nobody: NotReachable) -> Answer:
        """What the journal says. Raises `nobody` when there is no journal either."""
        if not self.journal.exists():
            raise NotReachable(f"{nobody}, and there is no journal {self.journal}") from nobody
        from realtrading.doors.verdicts import guarded

        return guarded(lambda: (read(), []))[0]


def tell(command: str, told: Answer, lines: list[str], as_json: bool) -> int:
    """Print the answer; 0, or 3 when somebody listens who does not answer."""
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "command": command, **told}))
    else:
        if "nobody" in told and command != "status":
            click.echo(f"{told['nobody']}; this is what its journal says:", err=True)
        click.echo("\n".join(lines).encode("utf-8", "replace").decode())
    if told.get("silent"):
        raise BadInput(told["nobody"], exit_code=EXIT_NOT_REACHABLE)
    return 0
