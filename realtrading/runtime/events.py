"""What the machinery tells its owner (`on_event`). Plain facts; the topology translates them into its own events."""

from __future__ import annotations

from typing import Literal

import attrs

from realtrading.runtime.mailbox import Letter

Cause = Literal["crash", "hang", "requested"]


@attrs.frozen
class ActorDied:
    """An incarnation ended: the exception's class and text, and the letter it was working on, if any."""

    name: str
    epoch: int
    cause: Cause
    exception: str
    message: str
    letter: Letter | None


@attrs.frozen
class ActorRestarted:
    """A successor has started and takes letters. `epoch` counts incarnations from 1."""

    name: str
    epoch: int
    cause: Cause


@attrs.frozen
class LetterSetAside:
    """A letter will not be tried again."""

    name: str
    letter: Letter


@attrs.frozen
class ActorGivenUp:
    """The restart budget is spent. A critical actor stays down; another one is tried again when its window allows."""

    name: str
    reason: str
    critical: bool


@attrs.frozen
class Backlog:
    """A mailbox passed its soft cap; reported again only after it fell below half of it."""

    name: str
    waiting: int
    soft_cap: int
