"""The house's errors: the type names the culprit.

`HouseError` is our own bug; `BadInput` is a person's mistake and is shown as one sentence; the `Venue…` family is what
the exchange did to us.
"""


class RealTradingError(Exception):
    """Root of every error this package raises on purpose."""


class HouseError(RealTradingError):
    """A broken promise inside the house: a bug of ours, never the user's or the venue's fault."""


class BadInput(RealTradingError):
    """Something a person gave us is wrong. `str()` is one clear sentence (or several lines, one per mistake).

    `exit_code` is the stable process exit code for it (2 usage, 4 configuration, 5 credentials, 75 occupied port …).
    """

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class VenueRefused(RealTradingError):
    """The venue answered no; nothing was done. `code` is its own error code, 0 when it gave none."""

    def __init__(self, message: str, *, code: int = 0) -> None:
        super().__init__(message)
        self.code = code

    @property
    def is_credentials(self) -> bool:
        """True when key, secret or rights are what it refused."""
        return self.code in (-1002, -1022, -2014, -2015)


class VenueUnknown(RealTradingError):
    """The venue may or may not have done it; only a fact can tell."""


class VenueThrottled(RealTradingError):
    """The venue asked for silence until `retry_at_ms` (epoch milliseconds, venue time), if it said so."""

    def __init__(self, message: str, *, retry_at_ms: int | None = None) -> None:
        super().__init__(message)
        self.retry_at_ms = retry_at_ms
