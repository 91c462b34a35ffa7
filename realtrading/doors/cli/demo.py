"""`realtrading demo`: trade against the simulated exchange, break things, and prove the books."""
from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import click

EXIT_NOT_CLEAN = 11
SECONDS = 60.0


@click.command()
@click.option("--seconds", type=float, default=SECONDS, show_default=True, help="How long to trade.")
@click.option("--tape", type=click.Path(path_type=Path), help="Recorded trades (Binance's CSV: plain, .gz or .zip).")
@click.option("--symbol", help="The tape's symbol, when its name does not begin with it.")
@click.option("--base", help="Base asset, when the symbol does not tell.")
@click.option("--quote", help="Quote asset, when the symbol does not tell.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of everything generated.")
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="Only this fault (repeatable); none: no faults.")
@click.option("--json", "as_json", is_flag=True, help="The verdict as one JSON object on the last line.")
@click.option("--lie-account", metavar="ASSET=AMOUNT", help="The exchange adds this in its account answers.")
@click.option("--hide-fill", is_flag=True, help="The exchange hides one fill from stream, answers and my trades.")
def demo(
    seconds: float,
    tape: Path | None,
    symbol: str | None,
    base: str | None,
    quote: str | None,
    seed: int,
    faults: tuple[str, ...],
    as_json: bool,
    lie_account: str | None,
    hide_fill: bool,
) -> int:
    """Trade for a while against the shipped simulator, with faults, and compare the engine's books with its truth.

    Exit code 0 when they agree to the last digit, 11 when not. --lie-account and --hide-fill show that they can.
    """
    from rich.console import Console

    from realtrading.doors.demo.options import Lies, Options, account_lie, faults_of
    from realtrading.doors.demo.scenario import play, workshop
    from realtrading.doors.demo.screen import Screen, page, show_verdict
    from realtrading.doors.demo.verdict import CLEAN

    options = Options(
        seconds=seconds,
        tape=tape,
        symbol=symbol,
        base=base,
        quote=quote,
        seed=seed,
        faults=faults_of(faults),
        lies=Lies(account=account_lie(lie_account), hidden_fill=hide_fill),
    )
    with interruptible(), workshop() as shop, Screen(Console(stderr=True), quiet=as_json) as screen:
        verdict = play(options, shop.folder, screen.show)
        clean = verdict.word == CLEAN
        shop.keep = not clean
    if not as_json or not clean:
        show_verdict(page(sys.stderr if as_json else sys.stdout), verdict)
    if not clean:
        sys.stderr.write(f"realtrading: journal and logs are kept in {shop.folder}\n")
        sys.stderr.flush()
    if as_json:
        print(json.dumps(verdict.to_json()))
    return 0 if clean else EXIT_NOT_CLEAN


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """The first Ctrl-C, SIGTERM or SIGHUP ends the demo in order; further ones do not disturb that."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def once(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, once) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
