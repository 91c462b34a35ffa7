"""Defects as patches: each must be caught by the ordinary tests or by the simulation, and a changed comment by neither."""
