"""Which release this is. The package says so too, for those who ask `ostiary.__version__`."""

__version__ = "0.1.0"
