"""A graph for rdflib and pyshacl that is made once and then only asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Self

from rdflib import Graph
from rdflib.paths import Path
from rdflib.term import Node


class Triples(Graph):
    """A graph in which triples are found by subject and by value, as shapes are read and judged.

    rdflib's own store keeps three orders and the graphs of every triple, and hands each through four
    generators: that was half of the time of a validation, and a third of reading the vocabulary.
    """

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[Node, dict[Node, dict[Node, None]]] = {}
        self._subjects: dict[tuple[Node, Node], dict[Node, None]] = {}

    def add(self, triple: tuple[Node, Node, Node]) -> Self:
        subject, path, value = triple
        self._values.setdefault(subject, {}).setdefault(path, {})[value] = None
        self._subjects.setdefault((path, value), {})[subject] = None
        return self

    def addN(self, quads: Iterable[tuple[Node, Node, Node, Graph]]) -> Self:
        for *triple, _ in quads:
            self.add((triple[0], triple[1], triple[2]))
        return self

    def objects(self, subject: Any = None, predicate: Any = None, unique: bool = False) -> Any:
        if subject is None or predicate is None:
            return super().objects(subject, predicate, unique)
        return iter(self._values.get(subject, _NONE).get(predicate, _NONE))

    def subjects(self, predicate: Any = None, object: Any = None, unique: bool = False) -> Any:
        if predicate is None or object is None:
            return super().subjects(predicate, object, unique)
        return iter(self._subjects.get((predicate, object), _NONE))

    def __len__(self) -> int:
        return sum(len(values) for said in self._values.values() for values in said.values())

    def remove(self, triple: Any) -> Self:
        raise NotImplementedError("Triples are only added.")

    def triples_choices(self, triple: Any, context: Any = None) -> Any:
        raise NotImplementedError("Ask for one value at a time.")

    def triples(self, triple: Any) -> Any:
        """Every triple of a pattern, from which rdflib answers all that is not asked often."""
        subject, path, value = triple
        if isinstance(path, Path):
            raise NotImplementedError("Paths are walked by pyshacl.")
        for each in self._values if subject is None else (subject,):
            said = self._values.get(each, _NONE)
            for way in said if path is None else (path,):
                yield from ((each, way, found) for found in said.get(way, _NONE) if value in (None, found))


_NONE: Final[dict[Any, Any]] = {}
