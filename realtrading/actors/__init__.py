"""TALK: keepers own state and touch nothing; hands touch the world and own no money state."""
