"""Crash points: a real engine killed by strace at every write, sync and socket call, and the exchange as the judge."""
