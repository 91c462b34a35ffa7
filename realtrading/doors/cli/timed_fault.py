"""`--fault actor:NAME:KIND@SECONDS`: an actor's failure at a chosen moment, in mode simulated only."""
from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from realtrading.domain.settings import Mode, Settings
from realtrading.errors import BadInput
from realtrading.runtime.spec import FaultKind
from realtrading.topology import ACTORS

_FAULT = re.compile(r"actor:(?P<name>[a-z_]+(?::[a-z0-9]+)?):(?P<kind>[a-z_]+)@(?P<at>[0-9]{1,6}(?:\.[0-9]{1,6})?)", re.ASCII)


@attrs.frozen
class TimedFault:
    """A fault to inject so many seconds after the engine is ready."""

    actor: str
    kind: FaultKind
    after_s: float


def timed_faults(texts: Sequence[str], settings: Settings) -> list[TimedFault]:
    """Read the options. Raises `BadInput` (exit code 2) naming the first one that is none, or an actor there is not."""
    if texts and settings.mode is not Mode.SIMULATED:
        raise BadInput(f"--fault is for mode simulated only, this is mode {settings.mode}")
    actors = [*(row.name for row in ACTORS), *(f"strategy:{strategy.name}" for strategy in settings.strategies)]
    return [_timed_fault(text, actors) for text in texts]


def _timed_fault(text: str, actors: Sequence[str]) -> TimedFault:
    match = _FAULT.fullmatch(text)
    kinds = ", ".join(kind.value for kind in FaultKind)
    if match is None or match["kind"] not in {kind.value for kind in FaultKind}:
        raise BadInput(f"--fault {text!r}: not actor:NAME:KIND@SECONDS (KIND one of {kinds})")
    if match["name"] not in actors:
        raise BadInput(f"--fault {text!r}: no actor {match['name']} (there are: {', '.join(actors)})")
    return TimedFault(match["name"], FaultKind(match["kind"]), float(match["at"]))
