"""RULES: pure values and functions. No clock, thread, log, float or I/O."""
