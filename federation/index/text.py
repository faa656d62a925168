"""The text index: one tantivy document for the current version of every visible record.

It follows the logs by their positions, which it writes down after each commit; a crash between the
two only means that the same entries are indexed once more. A change of the vocabulary or of this
module's layout makes a new index from the logs.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import structlog
import tantivy

from federation.errors import StorageFailed, Unavailable
from federation.index.concepts import Concepts
from federation.index.documents import TAGS, Batch, facet_field, facet_names, facet_set_field, stems_field
from federation.index.glossary import NOTHING, Glossary
from federation.index.grams import Alike
from federation.index.lexicon import indexed_by
from federation.records.kinds import Vocabulary
from federation.records.vocabulary import vocabulary_files

log = structlog.get_logger(__name__)
LAYOUT: Final = 17
"""Rises when documents are built differently."""
_WORDS: Final = "words.txt"
_TRIES: Final = 20
"""Looks at an index that has to be made anew and that somebody uses, in two seconds."""


def _schema(vocabulary: Vocabulary) -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("key", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("mentions", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("titles", tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("display", stored=True)
    builder.add_integer_field("published", fast=True)
    builder.add_integer_field("open_until", indexed=True)  # a day, counted from the year 1
    builder.add_text_field("marks", tokenizer_name="raw", index_option="basic")
    for tag in TAGS:
        builder.add_text_field(stems_field(tag), tokenizer_name="whitespace", index_option="freq")
    # Names and numbers are the same in every language, so the words as written share a field.
    builder.add_text_field("exact", tokenizer_name="whitespace", index_option="position")
    for role in ("tagged", "named", "broader"):
        builder.add_text_field(role, tokenizer_name="whitespace", index_option="basic")
    for name in facet_names(vocabulary):
        builder.add_text_field(facet_field(name), tokenizer_name="raw", index_option="basic")
        builder.add_text_field(facet_set_field(name), fast=True, tokenizer_name="raw", index_option="basic")
    return builder.build()


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
        self.schema = _schema(concepts.vocabulary)
        with _stored():
            folder.mkdir(parents=True, exist_ok=True)
            self._use = os.open(folder / "use.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._let_go = weakref.finalize(self, os.close, self._use)
        self._index, self.positions = self._open()
        self.revision = self._saved_revision()
        """That of the logs which it was made from: at another one they show something else before its positions."""
        self.soiled = bool((self._saved() or {}).get("soiled"))
        """Whether files may still hold text that was erased."""
        self.words = self._coming = Alike(self._read_words())
        """The words of the records, folded: for typing errors and what looks alike."""
        self._kept = len(self.words.texts)
        self.glossary: Glossary = NOTHING
        """The words that the regions add to the lexicon; whoever follows the logs keeps them up to date."""
        self._writer: tantivy.IndexWriter | None = None
        # A caller that is cancelled leaves its thread at work: the writer must not be let go of under it.
        self._working = threading.Lock()

    # Opening

    def _open(self) -> tuple[tantivy.Index, dict[str, int]]:
        """Open what is there. What is damaged, or of another version or vocabulary, is made anew once nobody uses it.

        Raises Unavailable where somebody does.
        """
        for _ in range(_TRIES):
            fcntl.flock(self._use, fcntl.LOCK_SH)
            found = self._opened()
            if found is not None:
                return found
            # Two that begin at once both hold it, and neither gets it alone: let go, and look again.
            with suppress(BlockingIOError):
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found = self._opened() or self._made_anew()
                fcntl.flock(self._use, fcntl.LOCK_SH)
                return found
            fcntl.flock(self._use, fcntl.LOCK_UN)
            time.sleep(0.05 + secrets.randbelow(100) / 1000)
        raise Unavailable(
            "Another process uses the text index, which was made by another version of this program or vocabulary.",
            remedy="Stop or restart the node first.",
        )

    def _opened(self) -> tuple[tantivy.Index, dict[str, int]] | None:
        schema, state = self.schema, self._state()
        folder = self._folder / "tantivy"
        if state is not None and folder.is_dir():
            try:
                return tantivy.Index(schema, path=str(folder)), state
            except ValueError as error:
                if not os.access(folder, os.W_OK):
                    raise _failed(error) from error
                # The logs are the truth: a damaged index is not worth mending.
                log.warning("index made anew", reason=str(error))
        return None

    def _made_anew(self) -> tuple[tantivy.Index, dict[str, int]]:
        folder = self._folder / "tantivy"
        with _stored():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            (self._folder / _WORDS).unlink(missing_ok=True)
            self.soiled, self.revision = False, self._saved_revision()
            self._write_state({})
            return tantivy.Index(self.schema, path=str(folder)), {}

    def _state(self) -> dict[str, int] | None:
        """How far the logs are indexed; None where that is not known for this layout."""
        state = self._saved()
        try:
            if state is None or state["layout"] != self._layout:
                return None
            return {str(did): int(position) for did, position in state["positions"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _saved_revision(self) -> int:
        saved = (self._saved() or {}).get("revision")
        return saved if isinstance(saved, int) else 0

    def _saved(self) -> dict[str, Any] | None:
        try:
            state = json.loads((self._folder / "state.json").read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    @cached_property
    def _layout(self) -> str:
        """What the documents are made by, as this process has read it; every commit writes it down."""
        digest = hashlib.sha256(str(LAYOUT).encode())
        folder = self.concepts.vocabulary.folder
        for path in (*vocabulary_files(folder), *indexed_by(folder)):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:32]

    def _write_state(self, positions: Mapping[str, int]) -> None:
        path = self._folder / "state.json"
        partial = path.with_suffix(".partial")
        state = {
            "layout": self._layout,
            "positions": dict(positions),
            "revision": self.revision,
            "soiled": self.soiled,
        }
        partial.write_text(json.dumps(state), "utf-8")
        os.replace(partial, path)

    def _read_words(self) -> list[str]:
        try:
            return (self._folder / _WORDS).read_text("utf-8").split()
        except FileNotFoundError:
            return []

    def _keep_words(self) -> None:
        """Write down the words that came with a commit: at the end of the file, or all where the index is new."""
        path = self._folder / _WORDS
        anew = self._coming is not self.words
        fresh = self._coming.texts[0 if anew else self._kept :]
        # The line break comes first: after a crash the file may end within a word.
        lines = "".join(f"\n{word}" for word in fresh)
        if anew:
            partial = path.with_suffix(".partial")
            partial.write_text(lines, "utf-8")
            os.replace(partial, path)
        elif fresh:
            with path.open("a", encoding="utf-8") as file:
                file.write(lines)
        self.words, self._kept = self._coming, len(self._coming.texts)

    def begin_anew(self) -> None:
        """Forget everything with the next commit; the caller first feeds the logs from the beginning.

        Until then everybody finds what was there before, and after a crash it still is.
        """
        with self._working, _stored():
            # Not delete_all_documents: it sets the writer's counter back to the last commit, and deletions that the
            # writer still remembers from before then hit the new documents, or those that follow miss them.
            self._index_writer().delete_documents_by_query(tantivy.Query.all_query())
            self._coming = Alike()  # nothing of what was erased is suggested to anybody

    def leave(self) -> None:
        """Leave out what was not committed, so that it is not committed with what comes next."""
        self.close()
        self._coming = self.words

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
                writer = self._index.writer(self._memory, 1)
                # Whoever was killed while committing has left files that the next commit would write again.
                writer.garbage_collect_files()
                self._writer = writer
            except ValueError as error:
                if "LockBusy" not in str(error):
                    raise _failed(error) from error
                raise Unavailable(
                    "Another process is writing to the text index.",
                    remedy="A running node keeps its index up to date by itself.",
                ) from error
        return self._writer

    def add(self, documents: Batch) -> None:
        """Put documents in, each in place of the older version of its record; without fields that only goes."""
        with self._working, _stored():
            writer = self._index_writer()
            for key, fields in documents.documents:
                writer.delete_documents_by_term("key", key)
                if fields is not None:
                    writer.add_json(fields)
            self._coming.add(documents.words.split())

    def commit(self, positions: Mapping[str, int], *, revision: int | None = None, soiled: bool = False) -> None:
        """Make what was added searchable and remember how far the logs are indexed, and at which revision of them.

        ``soiled`` where an older state held text that has been erased since: its files are then made anew.
        """
        self.soiled = self.soiled or soiled
        with self._working, _stored():
            self._index_writer().commit()
            self._index.reload()
            self.positions = dict(positions)
            self.revision = self.revision if revision is None else revision
            self._keep_words()
            self._write_state(self.positions)

    def close(self) -> None:
        """Let go of the writer, so that another process can write."""
        with self._working:
            writer, self._writer = self._writer, None
            if writer is not None:
                try:
                    writer.wait_merging_threads()
                except ValueError as error:
                    log.warning("index writer ended early", reason=str(error))

    def end(self) -> None:
        """Let go of the index as a whole."""
        self.close()
        self._let_go()

    # Reading

    def searcher(self) -> tantivy.Searcher:
        return self._index.searcher()

    def refresh(self) -> None:
        """See what another process has written since."""
        with _stored():
            self._index.reload()
        state = self._state()
        if state is not None:
            self.positions, self.revision = state, self._saved_revision()
        there = self._read_words()
        if there[: self._kept] == self.words.texts:
            self.words.add(there[self._kept :])
        else:
            self.words = self._coming = Alike(there)
        self._kept = len(self.words.texts)
