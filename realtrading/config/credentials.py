"""Reads the account's API key and secret from files that nobody else may read."""
from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import attrs

from realtrading.domain.settings import Settings
from realtrading.errors import BadInput

EXIT_CODE = 5
SECRET_MAX = 1 << 12


@attrs.frozen(kw_only=True)
class Credentials:
    """The account's API key and its secret. Neither is ever shown: not by `repr`, not by an error."""

    key: str = attrs.field(repr=lambda _: "…")
    secret: str = attrs.field(repr=lambda _: "…")


def load_credentials(settings: Settings, base_dir: Path = Path()) -> Credentials:
    """Key and secret from the files of [credentials], else from `$CREDENTIALS_DIRECTORY/api_key` and `api_secret`.

    A relative path of settings made by hand starts from `base_dir`; `load` has made its paths absolute already.
    Raises `BadInput` (exit code 5) naming each file that is missing, empty, unreadable, open to others or not one word.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if settings.key_file is not None and settings.secret_file is not None:
        files, forbidden = (base_dir / settings.key_file, base_dir / settings.secret_file), stat.S_IRWXG | stat.S_IRWXO
    elif folder:
        # systemd lets the service's user in by an access list, which shows as a group's permission
        files, forbidden = (Path(folder, "api_key"), Path(folder, "api_secret")), stat.S_IRWXO
    else:
        what = "no credentials: neither [credentials] key_file and secret_file nor $CREDENTIALS_DIRECTORY is set"
        raise BadInput(what, exit_code=EXIT_CODE)
    words, wrong = [], []
    for file in files:
        try:
            words.append(_word(file, forbidden))
        except ValueError as error:
            wrong.append(f"{file}: {error}")
    if wrong:
        raise BadInput("\n".join(wrong), exit_code=EXIT_CODE)
    return Credentials(key=words[0], secret=words[1])


def _word(file: Path, forbidden: int) -> str:
    """The one word in the file; `ValueError` says what is wrong, and never what is in it."""
    try:
        # without blocking: a pipe under that name must not hold up the start
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        raise ValueError("no such file" if missing else f"cannot be read: {error.strerror}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError("is not a file")
        if mode & forbidden:
            raise ValueError(f"is open to other users (mode {stat.S_IMODE(mode):o}; allowed: 600 or 400)")
        content = os.read(descriptor, SECRET_MAX + 1)
    finally:
        os.close(descriptor)
    if not content.strip():
        raise ValueError("is empty")
    try:
        word = content.decode("utf-8-sig").strip()
        word.encode("ascii")
    except UnicodeError:
        raise ValueError("is not plain text (allowed: one word)") from None
    if len(content) > SECRET_MAX or any(not 32 < ord(letter) < 127 for letter in word):
        raise ValueError("holds more than one word (allowed: one word on one line)")
    return word
