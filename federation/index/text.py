"""The text index: one tantivy document for the current version of every visible record.

It follows the logs by their positions, which it writes down after each commit; a crash between the
two only means that the same entries are indexed once more. A change of the vocabulary or of this
module's layout makes a new index from the logs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import structlog
import tantivy

from federation.errors import StorageFailed, Unavailable
from federation.index.concepts import Concepts
from federation.index.languages import ANALYSED, UNKNOWN, analysed_as, words
from federation.records.canonical import Literal, nodes_of
from federation.records.kinds import Concept, Field, FieldType, Kind, Vocabulary
from federation.records.record import Record, assemble
from federation.records.vocabulary import vocabulary_files

log = structlog.get_logger(__name__)
LAYOUT: Final = 5
"""Rises when documents are built differently."""
TAGS: Final = (*ANALYSED, UNKNOWN)
KIND_FACET, NODE_FACET = "kind", "node"


@dataclass(frozen=True, slots=True)
class Source:
    """An entry to be indexed: its body and where it comes from. ``node`` is the short name of its node."""

    log_id: int
    position: int
    node: str
    own: bool
    published: str
    body: str


def facet_names(vocabulary: Vocabulary) -> list[str]:
    """Every facet, in the order in which pages show them."""
    schemes = sorted((s.order, s.facet) for s in vocabulary.schemes.values() if s.facet)
    fields = sorted({each.facet for each in vocabulary.every_field() if each.facet})
    return [KIND_FACET, NODE_FACET, *dict.fromkeys(name for _, name in schemes), *fields]


def facet_field(name: str) -> str:
    return "facet_" + name.replace("-", "_")


def _schema(vocabulary: Vocabulary) -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("key", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("mentions", tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("display", stored=True)
    builder.add_integer_field("published", fast=True)
    for tag in TAGS:
        for role in ("title", "text"):
            builder.add_text_field(f"{role}_{tag}", tokenizer_name="whitespace", index_option="freq")
    # Names and numbers are the same in every language, so the words as written share a field.
    for role in ("title", "text"):
        builder.add_text_field(f"{role}_exact", tokenizer_name="whitespace", index_option="freq")
    for role in ("tagged", "named", "broader"):
        builder.add_text_field(role, tokenizer_name="whitespace", index_option="basic")
    for name in facet_names(vocabulary):
        builder.add_text_field(facet_field(name), fast=True, tokenizer_name="raw", index_option="basic")
    return builder.build()


def document(source: Source, concepts: Concepts) -> tuple[str, dict[str, Any] | None] | None:
    """The key of one record's document and its fields, or none where an ending takes the document away.

    None for entries that are not searched.
    """
    vocabulary = concepts.vocabulary
    record, kind = assemble(nodes_of(source.body), vocabulary)
    if kind is not None and kind.ending:
        return record.iri, None
    if kind is None or kind.managed:
        return None
    published = datetime.fromisoformat(source.published)
    fields: dict[str, Any] = {
        "key": [record.iri],
        "published": [int(published.timestamp())],
        "mentions": _mentions(record, kind),
    }
    named: dict[str, list[list[str]]] = {}
    texts = {role: _texts(record, kind, role) for role in ("title", "text")}
    for role, by_language in texts.items():
        for language, text in by_language.items():
            tag, analysed = analysed_as(language), list(words(text, language))
            _extend(fields, f"{role}_{tag}", " ".join(word.stem for word in analysed))
            _extend(fields, f"{role}_exact", " ".join(word.folded for word in analysed))
            for spotted in concepts.spot(analysed, language):
                surface = text[analysed[spotted.first].start : analysed[spotted.last - 1].end]
                for iri in spotted.concepts:
                    pairs = named.setdefault(iri, [])
                    if [language, surface] not in pairs:
                        pairs.append([language, surface])
    tagged = _concepts(record, concepts)
    up = {iri for iri, steps in concepts.with_broader([*tagged, *named]).items() if steps}
    fields |= {"tagged": [" ".join(tagged)], "named": [" ".join(named)], "broader": [" ".join(sorted(up))]}
    for name, values in _facets(record, kind, tagged, source, concepts).items():
        fields[facet_field(name)] = sorted(set(values))
    display = {
        "id": record.iri,
        "kind": record.kind,
        "slug": record.address.slug,
        "node": source.node,
        "own": source.own,
        "log": source.log_id,
        "published": source.published,
        "title": texts["title"],
        "text": texts["text"],
        # Their numbers: written out, the addresses of concepts would be half of what a hit has to read.
        "tagged": [concepts.numbers[iri] for iri in tagged],
        "named": {str(concepts.numbers[iri]): pairs for iri, pairs in named.items()},
    }
    fields["display"] = [orjson.dumps(display)]
    return record.iri, fields


def displayed(found: tantivy.Document, concepts: Concepts) -> dict[str, Any]:
    """What a document keeps for its hit: the record's texts, where it comes from, and its concepts by IRI."""
    display: dict[str, Any] = orjson.loads(found.get_first("display") or b"")
    iris = concepts.iris
    display["tagged"] = [iris[number] for number in display["tagged"]]
    display["named"] = {iris[int(number)]: pairs for number, pairs in display["named"].items()}
    return display


def _extend(fields: dict[str, Any], name: str, text: str) -> None:
    fields.setdefault(name, []).append(text)


def _texts(record: Record, kind: Kind, role: str) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for each in kind.fields:
        if each.search == role:
            for tag, text in record.texts(each.path).items():
                found.setdefault(tag, []).append(text)
    return {tag: "\n".join(parts) for tag, parts in found.items()}


def _mentions(record: Record, kind: Kind) -> list[str]:
    """The records that a record refers to."""
    fields = (each for each in kind.fields if each.type is FieldType.RECORD)
    return list(dict.fromkeys(str(value) for each in fields for value in record.values(each.path)))


def _concepts(record: Record, concepts: Concepts) -> list[str]:
    """The concepts by which a record is found: those of topics and facets and what lies within them."""
    vocabulary = concepts.vocabulary
    wanted = {scheme.iri for scheme in vocabulary.schemes.values() if scheme.topic or scheme.facet}
    # What the record itself is about comes before what its figures measure.
    nodes = sorted(record.nodes, key=lambda node: (node != record.iri, node))
    values = (str(value) for node in nodes for _, value in record.nodes[node])
    known = ((value, vocabulary.concepts.get(value)) for value in dict.fromkeys(values))
    return [
        value
        for value, concept in known
        if concept is not None
        and (concept.scheme in wanted or any(each.scheme in wanted for each in _around(concept, concepts)))
    ]


def _around(concept: Concept, concepts: Concepts) -> list[Concept]:
    """What a concept lies in beyond its own code list: the country of a region."""
    known = concepts.vocabulary.concepts
    above = (known[iri] for iri in concepts.with_broader([concept.iri]) if iri in known)
    return [each for each in above if each.scheme != concept.scheme]


def _facets(
    record: Record, kind: Kind, tagged: Iterable[str], source: Source, concepts: Concepts
) -> dict[str, list[str]]:
    vocabulary = concepts.vocabulary
    facets: dict[str, list[str]] = {KIND_FACET: [record.kind], NODE_FACET: [source.node]}
    for iri in tagged:
        concept = vocabulary.concepts[iri]
        for within in (concept, *_around(concept, concepts)):
            name = vocabulary.schemes[within.scheme].facet
            if name:
                facets.setdefault(name, []).append(within.code)
    for each in kind.fields:
        if each.facet:
            facets.setdefault(each.facet, []).extend(_facet_values(each, record))
    return facets


def _facet_values(each: Field, record: Record) -> Iterable[str]:
    for value in record.values(each.path):
        if isinstance(value, Literal):
            if each.type is FieldType.TEXT:
                yield value.language
            elif each.type in (FieldType.DATE, FieldType.DATETIME):
                yield value.value[:4]
            else:
                yield value.value


@contextmanager
def _stored() -> Iterator[None]:
    """Turn what tantivy and the disk say into StorageFailed; nothing that counts is lost with an index."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise _failed(error) from error


def _failed(error: Exception) -> StorageFailed:
    return StorageFailed(
        f"The text index cannot be written: {error}.",
        remedy="What was published is safe. Make room on the disk or give this user write access; "
        "the index catches up by itself.",
    )


class TextIndex:
    """The index in one directory. Reading is for everybody; one process at a time writes."""

    def __init__(self, folder: Path, concepts: Concepts, *, memory: int) -> None:
        self.concepts = concepts
        self._folder = folder
        self._memory = memory
        self._index, self.positions = self._open()
        self.soiled = bool((self._saved() or {}).get("soiled"))
        """Whether files may still hold text that was erased."""
        self._writer: tantivy.IndexWriter | None = None
        # A caller that is cancelled leaves its thread at work: the writer must not be let go of under it.
        self._working = threading.Lock()

    # Opening

    def _open(self) -> tuple[tantivy.Index, dict[str, int]]:
        schema, state = _schema(self.concepts.vocabulary), self._state()
        folder = self._folder / "tantivy"
        if state is not None and folder.is_dir():
            try:
                return tantivy.Index(schema, path=str(folder)), state
            except ValueError as error:
                if not os.access(folder, os.W_OK):
                    raise _failed(error) from error
                # The logs are the truth: a damaged index is not worth mending.
                log.warning("index made anew", reason=str(error))
        with _stored():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            self.soiled = False
            self._write_state({})
            return tantivy.Index(schema, path=str(folder)), {}

    def _state(self) -> dict[str, int] | None:
        """How far the logs are indexed; None where that is not known for this layout."""
        state = self._saved()
        try:
            if state is None or state["layout"] != self._layout():
                return None
            return {str(did): int(position) for did, position in state["positions"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _saved(self) -> dict[str, Any] | None:
        try:
            state = json.loads((self._folder / "state.json").read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    def _layout(self) -> str:
        digest = hashlib.sha256(str(LAYOUT).encode())
        for path in vocabulary_files(self.concepts.vocabulary.folder):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:32]

    def _write_state(self, positions: Mapping[str, int]) -> None:
        path = self._folder / "state.json"
        partial = path.with_suffix(".partial")
        state = {"layout": self._layout(), "positions": dict(positions), "soiled": self.soiled}
        partial.write_text(json.dumps(state), "utf-8")
        os.replace(partial, path)

    def begin_anew(self) -> None:
        """Forget everything with the next commit; the caller first feeds the logs from the beginning.

        Until then everybody finds what was there before, and after a crash it still is.
        """
        with self._working, _stored():
            # Not delete_all_documents: it sets the writer's counter back to the last commit, and deletions that the
            # writer still remembers from before then hit the new documents, or those that follow miss them.
            self._index_writer().delete_documents_by_query(tantivy.Query.all_query())

    def collect(self) -> None:
        """Delete the files that no longer belong to the index: nothing that was erased is in the others."""
        with self._working, _stored():
            self._index_writer().garbage_collect_files()
            self.soiled = False
            self._write_state(self.positions)

    # Writing

    def _index_writer(self) -> tantivy.IndexWriter:
        if self._writer is None:
            try:
                self._writer = self._index.writer(self._memory, 1)
            except ValueError as error:
                raise Unavailable(
                    "Another process is writing to the text index.",
                    remedy="A running node keeps its index up to date by itself.",
                ) from error
        return self._writer

    def add(self, documents: Sequence[tuple[str, dict[str, Any] | None] | None]) -> None:
        """Put documents in, each in place of the older version of its record; without fields that only goes."""
        with self._working, _stored():
            writer = self._index_writer()
            for each in documents:
                if each is not None:
                    key, fields = each
                    writer.delete_documents_by_term("key", key)
                    if fields is not None:
                        writer.add_document(tantivy.Document(**fields))

    def commit(self, positions: Mapping[str, int], *, soiled: bool = False) -> None:
        """Make what was added searchable and remember how far the logs are indexed.

        ``soiled`` where an older state held text that has been erased since: its files are then made anew.
        """
        self.soiled = self.soiled or soiled
        with self._working, _stored():
            self._index_writer().commit()
            self._index.reload()
            self.positions = dict(positions)
            self._write_state(self.positions)

    def rewind(self, did: str, position: int) -> None:
        """Have a log indexed again from a position; indexing twice does no harm."""
        self.positions[did] = min(self.positions.get(did, 0), position)

    def close(self) -> None:
        """Let go of the writer, so that another process can write."""
        with self._working:
            writer, self._writer = self._writer, None
            if writer is not None:
                try:
                    writer.wait_merging_threads()
                except ValueError as error:
                    log.warning("index writer ended early", reason=str(error))

    # Reading

    @property
    def schema(self) -> tantivy.Schema:
        return self._index.schema

    def searcher(self) -> tantivy.Searcher:
        return self._index.searcher()

    def refresh(self) -> None:
        """See what another process has written since."""
        self._index.reload()
        state = self._state()
        if state is not None:
            self.positions = state
