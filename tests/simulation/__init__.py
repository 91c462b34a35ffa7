"""Deterministic simulation: the whole house on one seeded desk, in virtual time, against the exchange core and a nemesis."""
