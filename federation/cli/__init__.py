"""The command line, ``procirc``. Each command is a few lines over the same functions the node uses."""

from federation.cli import backups, endings, keys, nodes, peers, people, records
from federation.cli.commands import main

__all__ = ["backups", "endings", "keys", "main", "nodes", "peers", "people", "records"]
