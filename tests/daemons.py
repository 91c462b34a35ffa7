"""The daemon as a process of its own, at a simulator in another one, and what its metrics page says."""

import re
import urllib.request
from pathlib import Path
from typing import Any

from ports import free_port
from processes import Processes, Running

LIMITS = """
[limits]
max_position_size_usdt = 4000
max_total_exposure_usdt = 8000
max_daily_loss_usdt = 4000
max_order_value_usdt = 4000
risk_per_trade_percent = 90
"""

Samples = dict[str, float]
"""A sample as the page writes it, name and labels, -> its value."""


def write_config(folder: Path, ready: dict[str, Any], *, symbols: tuple[str, ...] = ("BTCUSDT",), more: str = "") -> Path:
    """A daemon's TOML file for this simulator, its secrets and its state beside it; metrics on a free port."""
    for name in ("key", "secret"):
        file = folder / name
        file.write_text(ready[name])
        file.chmod(0o600)
    urls = "\n".join(f'{name} = "{ready[name]}"' for name in ("rest_url", "ws_api_url", "stream_url"))
    named = ", ".join(f'"{symbol}"' for symbol in symbols)
    listen = "" if "[metrics]" in more else f'[metrics]\nlisten = "127.0.0.1:{free_port()}"\n'
    config = folder / "realtrading.toml"
    config.write_text(
        f'[engine]\nmode = "simulated"\nsymbols = [{named}]\n[venue]\n{urls}\n'
        f'[credentials]\nkey_file = "key"\nsecret_file = "secret"\n{LIMITS}{listen}{more}\n'
    )
    return config


def start_daemon(processes: Processes, config: Path, *options: str, env: dict[str, str] | None = None) -> Running:
    """`realtrading run`, without waiting for anything."""
    return processes.python("-m", "realtrading", "run", "--config", str(config), *options, env=env)


def metrics_url(daemon: Running, deadline_s: float = 20) -> str:
    """Where it says its metrics are."""
    return daemon.wait_for_line(r"metrics at (http://\S+)", deadline_s)[1]


def fetch(url: str) -> str:
    """The page."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert isinstance(answer.status, int)
        return str(answer.read().decode())


def samples(page: str) -> Samples:
    """Every sample of the page."""
    found = (line.rpartition(" ") for line in page.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in found}


def total(page: Samples, name: str, **labels: str) -> float:
    """The sum over all samples of this name that carry these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    chosen = [key for key in page if re.split(r"[{ ]", key)[0] == name and all(each in key for each in wanted)]
    return sum(page[key] for key in chosen)
