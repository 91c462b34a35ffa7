"""The first door to the running daemon: a Unix socket for its own user, one JSON object per line in each direction."""
