"""From files to values: the settings of one engine, and the account's credentials."""

from .credentials import Credentials, load_credentials
from .file import load
from .simulator import simulated

__all__ = ["Credentials", "load", "load_credentials", "simulated"]
