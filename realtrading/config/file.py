"""Reads the configuration file: every mistake at once, one line each, never a traceback."""
from __future__ import annotations

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from realtrading.domain.settings import (
    BadSettings,
    Durability,
    Listen,
    Mistake,
    Mode,
    RealTradingConfig,
    Settings,
    StrategySettings,
    VenueUrls,
)
from realtrading.errors import BadInput

from .table import Table, meant

EXIT_CODE = 4

FILE_MAX = 1 << 20
SECTIONS = ("engine", "limits", "venue", "credentials", "strategy", "metrics", "journal")


def load(path: str | os.PathLike[str]) -> Settings:
    """The settings in the TOML file at `path`. Relative paths in it start from the file's folder.

    Without `[engine] state_dir` state goes to the service manager's `$STATE_DIRECTORY`, else to `state` beside it.
    Without `runtime_dir` the daemon's socket goes to `$RUNTIME_DIRECTORY`, else to `state_dir`.
    Raises `BadInput` (exit code 4) with one line `FILE: [section] key: what is wrong (what is allowed)` per mistake.
    """
    file = Path(path)
    mistakes: list[Mistake] = []
    settings = _settings(_parsed(file), file.absolute().parent, mistakes)
    if settings is None or mistakes:
        mistakes.sort(key=_place)
        raise BadInput("\n".join(f"{file}: {mistake}" for mistake in mistakes), exit_code=EXIT_CODE)
    return settings


def _place(mistake: Mistake) -> int:
    """Where in the file the mistake is: sections in their usual order, what belongs to none first."""
    section = mistake.section.partition(".")[0]
    return SECTIONS.index(section) if section in SECTIONS else -1


def _parsed(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_MAX + 1)
    except IsADirectoryError:
        raise _bad(file, "is a folder (allowed: a TOML file)") from None
    except OSError as error:
        raise _bad(file, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    except ValueError:  # a NUL in the name
        raise _bad(file, "is not a file's name") from None
    if len(content) > FILE_MAX:
        raise _bad(file, f"is longer than {FILE_MAX} bytes (allowed: a TOML file)")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(file, f"is not UTF-8 text (byte {error.start})") from None
    if not text.strip():
        raise _bad(file, "is empty (needed at least: [engine] symbols)")
    try:
        data = tomllib.loads(text, parse_float=Decimal)
        repr(data)  # a whole number too long to be written must fail here and not wherever it is shown
        return data
    except RecursionError:
        raise _bad(file, "is not TOML: nested too deeply") from None
    except (ValueError, ArithmeticError) as error:  # TOMLDecodeError, an endless integer, an impossible exponent
        raise _bad(file, f"is not TOML: {error}") from None


def _bad(file: Path, what: str) -> BadInput:
    return BadInput(f"{str(file)!r}: {what}" if "\0" in str(file) else f"{file}: {what}", exit_code=EXIT_CODE)


def _settings(data: dict[str, Any], folder: Path, mistakes: list[Mistake]) -> Settings | None:
    for name, value in data.items():
        if name not in SECTIONS:
            allowed = ", ".join(f"[{section}]" for section in SECTIONS)
            if isinstance(value, dict):
                what = f"unknown section{meant(name, SECTIONS)} (allowed: {allowed})"
                mistakes.append(Mistake(section=name, key="", what=what))
            else:
                mistakes.append(Mistake(section="", key=name, what=f"stands outside of every section ({allowed})"))
    given = _engine(Table("engine", data.get("engine", {}), mistakes), folder, "venue" in data)
    given["limits"] = _limits(Table("limits", data.get("limits", {}), mistakes))
    if "venue" in data:
        given["venue"] = _venue(Table("venue", data["venue"], mistakes))
    given |= _credentials(Table("credentials", data.get("credentials", {}), mistakes), folder)
    given["strategies"] = _strategies(data.get("strategy", {}), folder, given.get("symbols"), mistakes)
    given |= _metrics(Table("metrics", data.get("metrics", {}), mistakes))
    given |= _journal(Table("journal", data.get("journal", {}), mistakes), folder)
    if given["symbols"] is None:  # unreadable, and said so: judge the rest as if the strategies' symbols stood there
        given["symbols"] = dict.fromkeys(symbol for strategy in given["strategies"] for symbol in strategy.symbols)
    # named once is enough: what could not be read, and in strategies what they only have from [engine]
    places = {(mistake.section, mistake.key) for mistake in mistakes}
    places |= {(f"strategy.{name}", "symbols") for name in _without_symbols(data.get("strategy"))}
    try:
        return Settings(**given)
    except BadSettings as error:
        mistakes += [mistake for mistake in error.mistakes if (mistake.section, mistake.key) not in places]
        return None


def _engine(table: Table, folder: Path, has_venue: bool) -> dict[str, Any]:
    mode = table.one_of("mode", [mode.value for mode in Mode])
    if mode is None and "mode" in table.data:  # a mistake already: do not add mistakes about [venue] to it
        mode = Mode.SIMULATED if has_venue else Mode.TESTNET
    symbols = table.texts("symbols")
    service = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    given = {
        "mode": mode or Mode.TESTNET,
        "confirm_account": table.take("confirm_account", int, "the account's uid, a whole number"),
        "symbols": symbols if "symbols" in table.data else (),
        "state_dir": table.path("state_dir", folder) or (Path(service) if service else folder / "state"),
    }
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    given |= _present(runtime_dir=table.path("runtime_dir", folder) or (Path(runtime) if runtime else None))
    given |= _present(reporting_asset=table.text("reporting_asset"), prefix=table.text("prefix"))
    if "confirm_account" in table.data and given["confirm_account"] is None:
        given["confirm_account"] = 1  # unreadable, and said so: it is not missing
    table.done()
    return given


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _limits(table: Table) -> RealTradingConfig:
    table.known += [field.name for field in attrs.fields(RealTradingConfig)]
    table.done()
    try:
        return RealTradingConfig(**{key: value for key, value in table.data.items() if key in table.known})
    except BadSettings as error:
        table.mistakes += error.mistakes
        return RealTradingConfig()


def _venue(table: Table) -> VenueUrls:
    names = [field.name for field in attrs.fields(VenueUrls)]
    urls = {name: table.text(name) for name in names}
    table.done()
    for name in names:
        if name not in table.data:
            table.wrong(name, "missing (mode simulated needs all three, as `realtrading sim serve` prints them)")
    return VenueUrls(**{name: url or "" for name, url in urls.items()})


def _credentials(table: Table, folder: Path) -> dict[str, Any]:
    files = {name: table.path(name, folder) for name in ("key_file", "secret_file")}
    table.done()
    return files


def _strategies(
    data: object, folder: Path, symbols: tuple[str, ...] | None, mistakes: list[Mistake]
) -> list[StrategySettings]:
    if not isinstance(data, dict):
        mistakes.append(Mistake(section="", key="strategy", what=f"{data!r:.60} (allowed: sections [strategy.NAME])"))
        return []
    found = []
    for name, inner in data.items():
        if not isinstance(inner, dict):
            what = f"{inner!r:.60} (allowed: sections [strategy.NAME])"
            mistakes.append(Mistake(section="strategy", key=name, what=what))
            continue
        table = Table(f"strategy.{name}", inner, mistakes)
        use, own = table.text("use", '"module:Class" or "path.py:Class"'), table.texts("symbols")
        config = table.take("config", dict, f"a section [strategy.{name}.config]") or {}
        table.done()
        if "use" not in table.data:
            table.wrong("use", 'missing (allowed: "module:Class" or "path.py:Class")')
        where, colon, kind = (use or "").rpartition(":")
        if where.endswith(".py"):
            use = f"{folder / where}{colon}{kind}"
        chosen = own if own is not None else symbols  # a strategy without a list of its own trades all of the engine's
        found.append(StrategySettings(name=name, use=use or "", symbols=chosen or (), config=config))
    return found


def _without_symbols(data: object) -> list[str]:
    """Names of the strategies that trade all of the engine's symbols."""
    if not isinstance(data, dict):
        return []
    return [name for name, inner in data.items() if isinstance(inner, dict) and "symbols" not in inner]


def _metrics(table: Table) -> dict[str, Any]:
    allowed = '"127.0.0.1:17880", or "" for no metrics'
    listen = table.take("listen", str, allowed)
    table.done()
    if listen is None:
        return {}
    if not listen:
        return {"metrics_listen": None}
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and len(port) <= 5):
        table.wrong("listen", f"{listen!r:.60} (allowed: {allowed})")
        return {}
    return {"metrics_listen": Listen(host=host.removeprefix("[").removesuffix("]"), port=int(port))}


def _journal(table: Table, folder: Path) -> dict[str, Any]:
    path, durability = table.path("path", folder), table.one_of("durability", [kind.value for kind in Durability])
    table.done()
    return _present(journal_path=path, durability=durability)
