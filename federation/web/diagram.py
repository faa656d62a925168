"""A drawing of the kinds of records and of what refers to what: where the boxes stand and the arrows run.

Kinds that several others refer to stand in the middle column, the rest left and right of it. Arrows run
only between neighbouring columns or beside their own one, where no box can be, so nothing is ever
covered. There are no font metrics here: a letter is taken as wider than it is on any screen.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from federation.records.kinds import Field, Kind

FONT: Final = 15
"""Size of the letters, in units of the drawing; templates use it too."""
LINE: Final = 19
LETTER: Final = 9
"""How wide a letter may be: six tenths of its size, where common sans-serif faces need about half."""
HUES: Final = 6
_PADDING: Final = 12
_PORT: Final = 10
_GAP: Final = 36
_GUTTER: Final = 200
_MARGIN: Final = 70
_HEAD: Final = 8
_SHORTEST: Final = 14
"""Letters of a line before it is broken, unless a word is longer."""

References = Mapping[tuple[str, str], tuple[Field, ...]]
"""The fields by which one kind refers to another, by the names of the two."""


class _Place(NamedTuple):
    column: int
    row: int


class _Port(NamedTuple):
    """Where an arrow meets a box: the name of the box, its side (-1 left, 1 right) and the other box."""

    name: str
    side: int
    other: str
    leaves: bool


@dataclass(frozen=True, slots=True)
class Box:
    """A kind: a rectangle and the lines of its label."""

    kind: Kind
    lines: tuple[str, ...]
    x: int
    y: int
    width: int
    height: int

    @property
    def centre(self) -> int:
        return self.x + self.width // 2

    @property
    def first_line(self) -> float:
        """The base line of the first line of the label."""
        return self.y + (self.height - len(self.lines) * LINE) / 2 + FONT

    def edge(self, side: int) -> int:
        return self.x + self.width if side > 0 else self.x


@dataclass(frozen=True, slots=True)
class Arrow:
    """A reference: a cubic curve of four points and the three corners of its head."""

    source: str
    target: str
    curve: tuple[tuple[float, float], ...]
    head: tuple[tuple[float, float], ...]
    hue: int
    """Which of HUES colours: arrows to the same kind share theirs."""


@dataclass(frozen=True, slots=True)
class Diagram:
    """Boxes and arrows on a canvas of ``width`` by ``height``."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def references(kinds: Iterable[Kind]) -> References:
    """What refers to what among some kinds, in their order."""
    listed = list(kinds)
    names = {kind.name for kind in listed}
    found: dict[tuple[str, str], list[Field]] = {}
    for kind in listed:
        for field in kind.fields:
            for target in field.refers_to:
                if target in names:
                    found.setdefault((kind.name, target), []).append(field)
    return {pair: tuple(fields) for pair, fields in found.items()}


def draw(kinds: Sequence[Kind], label: Callable[[Kind], str]) -> Diagram:
    """The diagram of some kinds, with labels as ``label`` gives them. Equal input gives an equal drawing."""
    pairs = references(kinds)
    columns = _columns(kinds, pairs)
    places = {name: _Place(c, row) for c, column in enumerate(columns) for row, name in enumerate(column)}
    ports = _ports(pairs, places)
    boxes = _boxes(kinds, columns, ports, label)
    heights = _port_heights(ports, boxes)
    targets = list(dict.fromkeys(target for _, target in pairs))
    arrows = tuple(
        _loop(boxes[a], targets.index(b)) if a == b else _arrow(boxes, places, heights, (a, b), targets.index(b))
        for a, b in pairs
    )
    width = max((box.x + box.width for box in boxes.values()), default=0) + _MARGIN
    height = max((box.y + box.height for box in boxes.values()), default=0) + _GAP
    return Diagram(width, height, tuple(boxes[kind.name] for kind in kinds), arrows)


def _columns(kinds: Sequence[Kind], pairs: References) -> tuple[list[str], list[str], list[str]]:
    """The names left, in the middle and right; kinds of the sides that refer to each other share a side."""
    hubs = [k.name for k in kinds if sum(target == k.name != source for source, target in pairs) > 1]
    groups = {kind.name: [kind.name] for kind in kinds if kind.name not in hubs}
    for source, target in pairs:
        if source in groups and target in groups and groups[source] is not groups[target]:
            joined = groups[source] + groups[target]
            groups |= dict.fromkeys(joined, joined)
    left, right = list[str](), list[str]()
    for group in sorted({id(each): each for each in groups.values()}.values(), key=len, reverse=True):
        (left if len(left) <= len(right) else right).extend(group)
    return left, hubs, right


def _sides(pair: tuple[str, str], places: Mapping[str, _Place]) -> tuple[int, int]:
    """The sides at which an arrow leaves its source and reaches its target."""
    source, target = (places[name] for name in pair)
    if source.column != target.column:
        side = 1 if source.column < target.column else -1
        return side, -side
    outward = source.column - 1 or (1 if source.row < target.row else -1)
    return outward, outward


def _ports(pairs: References, places: Mapping[str, _Place]) -> list[_Port]:
    found = []
    for a, b in pairs:
        if a != b:
            leaving, reaching = _sides((a, b), places)
            found += [_Port(a, leaving, b, True), _Port(b, reaching, a, False)]
    return found


def _boxes(
    kinds: Sequence[Kind], columns: Sequence[Sequence[str]], ports: Sequence[_Port], label: Callable[[Kind], str]
) -> dict[str, Box]:
    by_name = {kind.name: kind for kind in kinds}
    longest = max((len(word) for kind in kinds for word in label(kind).split()), default=0)
    letters = max(longest, _SHORTEST)
    lines = {k.name: textwrap.wrap(label(k), letters, break_long_words=False, break_on_hyphens=False) for k in kinds}
    width = letters * LETTER + 2 * _PADDING
    heights = {
        name: max(
            len(lines[name]) * LINE + 2 * _PADDING,
            max(sum((port.name, port.side) == (name, side) for port in ports) for side in (-1, 1)) * _PORT + _PORT,
        )
        for name in by_name
    }
    inner = max(sum(heights[name] + _GAP for name in column) for column in columns)
    found = {}
    for number, column in enumerate(columns):
        x = _MARGIN + number * (width + _GUTTER)
        gap = (inner - sum(heights[name] for name in column)) // max(len(column), 1)
        y = _GAP // 2 + gap // 2
        for name in column:
            found[name] = Box(by_name[name], tuple(lines[name]), x, y, width, heights[name])
            y += heights[name] + gap
    return found


def _port_heights(ports: Sequence[_Port], boxes: Mapping[str, Box]) -> dict[_Port, float]:
    """How high each arrow meets its box: spread over the side, in the order of where they come from."""
    sides: dict[tuple[str, int], list[_Port]] = {}
    for port in ports:
        sides.setdefault((port.name, port.side), []).append(port)
    found = {}
    for (name, _), met in sides.items():
        met.sort(key=lambda port: (boxes[port.other].y, port.other, port.leaves))
        for number, port in enumerate(met, start=1):
            found[port] = boxes[name].y + round(boxes[name].height * number / (len(met) + 1), 1)
    return found


def _arrow(
    boxes: Mapping[str, Box],
    places: Mapping[str, _Place],
    heights: Mapping[_Port, float],
    pair: tuple[str, str],
    number: int,
) -> Arrow:
    a, b = pair
    leaving, reaching = _sides(pair, places)
    x1, y1 = boxes[a].edge(leaving), heights[_Port(a, leaving, b, True)]
    tip, y2 = boxes[b].edge(reaching), heights[_Port(b, reaching, a, False)]
    x2 = tip + reaching * _HEAD
    if leaving != reaching:
        bend = ((x1 + x2) / 2, (x1 + x2) / 2)
    else:
        # A curve beside its column goes three quarters as far out as its inner points: within the margin.
        out = x1 + leaving * min(24 + 16 * abs(places[a].row - places[b].row), _MARGIN - _HEAD)
        bend = (out, out)
    head = ((tip, y2), (x2, y2 - _HEAD / 2), (x2, y2 + _HEAD / 2))
    return Arrow(a, b, ((x1, y1), (bend[0], y1), (bend[1], y2), (x2, y2)), head, number % HUES)


def _loop(box: Box, number: int) -> Arrow:
    """An arrow from a kind to itself, over the right corner of its box."""
    left, right, top = box.x + box.width - 44, box.x + box.width - 16, box.y
    high = top - _GAP * 0.8
    curve = ((left, top), (left, high), (right, high), (right, top - _HEAD))
    head = ((right, top), (right - _HEAD / 2, top - _HEAD), (right + _HEAD / 2, top - _HEAD))
    return Arrow(box.kind.name, box.kind.name, curve, head, number % HUES)
