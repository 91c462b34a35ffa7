"""Brings the network guard into every Python that a test starts: Python imports this file by itself from PYTHONPATH."""

import netguard

netguard.install()
