"""Live one seed or one script, and say how it went; for a failing one find the least that makes it fail."""

import logging
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from .breaks import broken
from .clockwork import START_S
from .invariants import Violation
from .script import Script
from .shrink import shrunk
from .world import World


@attrs.frozen(kw_only=True)
class Result:
    """One run. `violation` None: none; `invariant` is its name."""

    script: Script
    violation: str | None
    invariant: str | None
    trace: tuple[str, ...]
    digest: str
    letters: int
    virtual_s: float
    faults: Counter[str]
    evaluated: Counter[str]
    reached: Counter[str]

    @property
    def seed(self) -> int:
        """The seed it lived."""
        return self.script.seed


def run_seed(seed: int, break_name: str | None = None) -> Result:
    """Live one seed, the house broken in one way if a name is given."""
    return run_script(Script(seed), break_name)


def run_script(script: Script, break_name: str | None = None) -> Result:
    """Live a script."""
    logging.disable(logging.CRITICAL)
    world, violation, invariant = None, None, None
    try:
        with broken(break_name):
            world = World(script)
            world.run()
    except Violation as found:
        violation, invariant = str(found), found.name
    except Exception as found:
        if world is None:
            raise
        violation, invariant = f"broke: {type(found).__name__}: {found}", f"broke: {type(found).__name__}"
    finally:
        logging.disable(logging.NOTSET)
    assert world is not None
    return Result(
        script=script, violation=violation, invariant=invariant,
        trace=tuple(map(line_of, world.trace)) if violation else (),
        digest=world.digest.hexdigest()[:16], letters=world.letters, virtual_s=world.loop.time() - START_S,
        faults=world.nemesis.done, evaluated=world.invariants.evaluated, reached=world.reached,
    )  # fmt: skip


def least(found: Result, break_name: str | None = None, *, seconds: float) -> Script:
    """The script of a violation with all left out that it can do without: the same invariant still breaks."""

    def fails(kept: Mapping[str, str]) -> bool:
        return run_script(found.script.only(kept), break_name).invariant == found.invariant

    return found.script.only(shrunk(found.script.happened, fails, seconds=seconds))


def results(seeds: Iterable[int], jobs: int) -> Iterable[Result]:
    """The seeds' results, in order."""
    if jobs <= 1:
        yield from map(run_seed, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(run_seed, seeds, chunksize=2)


# -- the trace, for people ----------------------------------------------------------------


def line_of(entry: tuple[float, str, Any, Any]) -> str:
    """One handled letter, short."""
    at, who, letters, answer = entry
    if not letters:
        return f"{at:10.3f} {who}"
    heard = ", ".join(brief(letter.message) for letter in letters[:6])
    said = ", ".join(brief(message) for message in list(answer)[:8])
    return f"{at:10.3f} {who:14} <- {heard}" + (f"\n{'':26}-> {said}" if said else "")


def brief(message: Any) -> str:
    """A message by its class and what it is about."""
    order = getattr(message, "order", None)
    if order is not None:
        words = f"{order.id} {order.state} {order.executed_quantity}/{order.original_quantity}"
    else:
        words = str(
            getattr(message, "id", None) or getattr(message, "token", None) or getattr(message, "detail", None)
            or getattr(message, "changed", None) or getattr(message, "asset", "")
        )  # fmt: skip
        report = getattr(message, "report", None)
        if report is not None:
            words += f" {report.client_id} {report.status} {report.executed_quantity} {[t.trade_id for t in report.trades]}"
    return f"{type(message).__name__}({words})"
