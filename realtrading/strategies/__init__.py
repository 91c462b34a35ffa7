"""What users write against: `Strategy`, its `Context`, and one example, `Pacer`."""
from .base import IntentRefused, Strategy
from .context import Context
from .pacer import Pacer

__all__ = ["Context", "IntentRefused", "Pacer", "Strategy"]
