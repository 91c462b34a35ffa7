"""The command line: one group, one module per command. Heavy imports wait until a command needs them."""
