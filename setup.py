"""Lets old pip versions find setup.cfg, where everything about the package is said."""
__import__("setuptools").setup()
