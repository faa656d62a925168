"""A node of the ProCirc federation: it publishes a region's signed records and finds those of every other region."""

__version__ = "0.1.0"
