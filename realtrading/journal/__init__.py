"""DISK: the only importer of a database driver."""
