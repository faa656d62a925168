"""A page in TriG as other programs write it: its statements as lines of canonical N-Quads. Pure.

How this program writes TriG is read without an RDF library (``peers.ldes``); prefixes, lists of objects and any other
order come through here. Sources: RDF 1.1 TriG; RDFC-1.0 section 5 for the lines.
"""

from __future__ import annotations

from typing import Final

import pyoxigraph as ox

from federation.errors import BadPage, OversizedResponse
from federation.records.canonical import LANG_STRING, XSD, Literal, object_text

MAX_BYTES: Final = 16 * 1024 * 1024
"""Characters of the lines of one page: with prefixes a few bytes may stand for many."""
_IMPLIED: Final = (XSD + "string", LANG_STRING)
_Term = ox.NamedNode | ox.BlankNode | ox.Literal


def lines_of(data: bytes, *, url: str, most: int) -> bytes:
    """The statements of a page, sorted, each on a line. Raises BadPage, and OversizedResponse beyond ``most`` lines."""
    lines, size = set[str](), 0
    try:
        for quad in ox.parse(data, format=ox.RdfFormat.TRIG):
            terms = [quad.subject, quad.predicate, quad.object]
            if not isinstance(quad.graph_name, ox.DefaultGraph):
                terms.append(quad.graph_name)
            line = " ".join([*(_token(each, url) for each in terms), ".\n"])
            size += len(line)
            lines.add(line)
            if len(lines) > most or size > MAX_BYTES:
                raise OversizedResponse(f"{url} says more than {most:,} lines or {MAX_BYTES:,} bytes can hold.")
    except (SyntaxError, ValueError) as error:
        raise BadPage(f"{url} is not TriG: {str(error)[:200]}.") from error
    return "".join(sorted(lines)).encode()


def _token(term: object, url: str) -> str:
    match term:
        case ox.NamedNode():
            return f"<{term.value}>"
        case ox.BlankNode():
            return f"_:{term.value}"
        case ox.Literal() if term.direction is None:
            datatype = term.datatype.value
            return object_text(Literal(term.value, "" if datatype in _IMPLIED else datatype, term.language or ""))
        case _:
            raise BadPage(f"{url} holds a term of RDF 1.2, which no record has.")
