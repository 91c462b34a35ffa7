"""Reading a trades file line by line: plain, gzip or zip; every complaint names the file and the line."""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, cast

import attrs

_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]+)?", re.ASCII)
_TIME = re.compile(r"[0-9]{13,17}", re.ASCII)
_MICROSECONDS_FROM = 10**14
_LONGEST_LINE = 1_000
_FIELDS = 6


class TapeError(ValueError):
    """A tape that cannot be used; one sentence that names the file and, where there is one, the line."""


@attrs.frozen(slots=True)
class Row:
    """One line: price, quantity, time in milliseconds, and whether the buyer was the aggressor."""

    price: Decimal
    qty: Decimal
    time_ms: int
    buy: bool


def read_rows(path: Path) -> Iterator[Row]:
    """All trades of the file. Raises TapeError at the first thing that is wrong, the file itself included."""
    if not path.exists():
        raise TapeError(f"{path}: no such file")
    if path.is_dir():
        raise TapeError(f"{path}: is a directory, not a trades file")
    return _rows(path)


def _rows(path: Path) -> Iterator[Row]:
    number = 0
    trades = 0
    try:
        with _text(path) as lines:
            while line := lines.readline(_LONGEST_LINE):
                number += 1
                row = _row(path, number, line)
                if row is not None:
                    trades += 1
                    yield row
    except UnicodeDecodeError:
        raise TapeError(f"{path}: line {number + 1}: is not text; a trades file in CSV is needed") from None
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise TapeError(f"{path}: cannot be unpacked: {error}") from None
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not trades:
        raise TapeError(f"{path}: holds no trades")


@contextlib.contextmanager
def _text(path: Path) -> Iterator[io.TextIOWrapper]:
    with contextlib.ExitStack() as stack:
        raw: IO[bytes] = stack.enter_context(path.open("rb"))
        magic = raw.read(4)
        raw.seek(0)
        if magic[:2] == b"\x1f\x8b":
            raw = cast(IO[bytes], stack.enter_context(gzip.open(raw)))
        elif magic == b"PK\x03\x04":
            raw = stack.enter_context(_member(path, stack.enter_context(zipfile.ZipFile(raw))))
        yield stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=None))


def _member(path: Path, archive: zipfile.ZipFile) -> IO[bytes]:
    names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
    if len(names) != 1:
        raise TapeError(f"{path}: the archive must hold exactly one .csv file, it holds {len(names)}")
    if archive.getinfo(names[0]).flag_bits & 1:
        raise TapeError(f"{path}: {names[0]} is encrypted")
    return archive.open(names[0])


def _row(path: Path, number: int, line: str) -> Row | None:
    """The trade of one line; None for a blank line or a header."""
    text = line.strip()
    if not text:
        return None
    if "\x00" in text or len(line) >= _LONGEST_LINE:
        raise TapeError(f"{path}: line {number}: is not a line of text; a trades file in CSV is needed")
    fields = [field.strip() for field in text.split(",")]
    if number == 1 and fields[0] and not fields[0][0].isdigit() and len(fields) >= _FIELDS:
        return None
    if len(fields) < _FIELDS:
        raise TapeError(f"{path}: line {number}: {len(fields)} columns, at least {_FIELDS} are needed")
    price = _amount(path, number, "price", fields[1])
    qty = _amount(path, number, "quantity", fields[2])
    return Row(price, qty, _time_ms(path, number, fields[4]), not _buyer_is_maker(path, number, fields[5]))


def _amount(path: Path, number: int, name: str, text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise TapeError(f"{path}: line {number}: {name} {text!r} is not a plain decimal number")
    value = Decimal(text)
    if not value:
        raise TapeError(f"{path}: line {number}: {name} is zero")
    if value != round(value, 8):
        raise TapeError(f"{path}: line {number}: {name} {text} has more than eight decimals")
    return value


def _time_ms(path: Path, number: int, text: str) -> int:
    if not _TIME.fullmatch(text):
        raise TapeError(f"{path}: line {number}: time {text!r} is neither milliseconds nor microseconds since 1970")
    value = int(text)
    return value // 1000 if value >= _MICROSECONDS_FROM else value


def _buyer_is_maker(path: Path, number: int, text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise TapeError(f"{path}: line {number}: is_buyer_maker {text!r} is neither True nor False")
    return lowered == "true"
