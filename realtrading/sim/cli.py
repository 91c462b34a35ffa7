"""The command line of the simulator: `python -m realtrading.sim serve …`, also mounted as `realtrading sim serve`."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import secrets
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from .server import SimServer
from .settings import SettingsError, SimSettings, balances_of, decimal_of, listen_of

EXIT_USAGE = 2
EXIT_PORT_TAKEN = 75
_PORT_PROBLEMS = (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL)


@click.command("serve")
@click.option("--listen", default="127.0.0.1:17881", show_default=True, help="Loopback address; port 0: any.")
@click.option("--tape", type=click.Path(path_type=Path), help="Recorded trades, Binance's CSV: plain, .gz or .zip.")
@click.option("--symbol", "symbols", multiple=True, help="The tape's; without a tape, one to generate (repeatable).")
@click.option("--base", help="Base asset, when the symbol does not tell.")
@click.option("--quote", help="Quote asset, when the symbol does not tell.")
@click.option("--speed", type=float, help="Tape seconds per real second; 1 is the recorded pace.")
@click.option("--duration", type=float, help="Play the whole tape in so many seconds.")
@click.option("--step", is_flag=True, help="The market moves only on POST /sim/step.")
@click.option("--hold", is_flag=True, help="The market waits for POST /sim/start.")
@click.option("--filters", type=click.Path(path_type=Path), help="Symbol rules as JSON in the form of exchangeInfo.")
@click.option("--key", help="API key; generated when missing.")
@click.option("--secret", help="Its HMAC secret; generated when missing.")
@click.option("--balance", "balances", multiple=True, metavar="ASSET=AMOUNT", help="Opening balance (repeatable).")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of everything generated.")
@click.option("--fee-maker", default="0.001", show_default=True, help="Maker commission as a fraction.")
@click.option("--fee-taker", default="0.001", show_default=True, help="Taker commission as a fraction.")
@click.option("--bnb-fee", is_flag=True, help="Commissions are paid in BNB while the account has some.")
@click.option("--sapi/--no-sapi", default=True, help="Wallet histories under /sapi; the testnet has none.")
def serve(listen: str, key: str | None, secret: str | None, balances: tuple[str, ...], fee_maker: str, fee_taker: str,
          **given: Any) -> None:  # fmt: skip
    """Serve a simulated Binance on the loopback interface; prints one JSON line when ready."""
    try:
        host, port = listen_of(listen)
        if (key is None) != (secret is None):
            raise SettingsError("--key and --secret belong together: give both or neither")
        settings = SimSettings(
            host=host, port=port, key=key or secrets.token_hex(32), secret=secret or secrets.token_hex(32),
            balances=balances_of(balances), fee_maker=_fraction("--fee-maker", fee_maker),
            fee_taker=_fraction("--fee-taker", fee_taker), **given,
        )  # fmt: skip
        server = SimServer.build(settings)
    except SettingsError as error:
        _fail(str(error), EXIT_USAGE)
    logging.getLogger("aiohttp").addHandler(logging.NullHandler())
    logging.getLogger("aiohttp").propagate = False
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_serve(server))
    except OSError as error:
        if error.errno not in _PORT_PROBLEMS:
            raise
        _fail(f"cannot listen on {listen}: {error.strerror or 'address in use'}", EXIT_PORT_TAKEN)


@click.group()
def main() -> None:
    """A simulated Binance."""


main.add_command(serve)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code. A wrong argument is one line on stderr."""
    try:
        # click answers the code of an Exit, or what the command returned, which is nothing
        code = main.main(arguments, prog_name="realtrading.sim", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return EXIT_USAGE
    except click.ClickException as error:
        print(f"realtrading sim: {error.format_message()}", file=sys.stderr)
        return EXIT_USAGE
    except click.Abort:
        return 130
    return code if isinstance(code, int) else 0


async def _serve(server: SimServer) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start()
    try:
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(server.ready(), separators=(",", ":")), flush=True)
        await stop.wait()
    finally:
        await server.stop()


def _fraction(option: str, text: str) -> Decimal:
    value = decimal_of(option, text)
    if not 0 <= value < 1:
        raise SettingsError(f"{option} must be a fraction from 0 to below 1, got {text}")
    return value


def _fail(message: str, code: int) -> None:
    print(f"realtrading sim: {message}", file=sys.stderr)
    raise click.exceptions.Exit(code)
