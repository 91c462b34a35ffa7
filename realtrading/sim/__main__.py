"""`python -m realtrading.sim`: the simulated Binance as a process of its own."""

import sys

from .cli import run

if __name__ == "__main__":
    sys.exit(run())
