"""Writing a node's records as spreadsheets: what `procirc export` takes away."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from federation.config import Config
from federation.errors import AlreadyExists, InvalidRequest, StorageFailed, not_set_up
from federation.exchange import rows
from federation.exchange.cells import csv_of
from federation.exchange.rows import Table
from federation.exchange.workbook import workbook
from federation.records.canonical import nodes_of
from federation.records.kinds import Kind, Vocabulary
from federation.records.record import assemble
from federation.records.values import suggestion
from federation.records.vocabulary import load_vocabulary
from federation.store.engine import url_of
from federation.store.store import open_store
from federation.web.locale import Locales


async def write(
    config: Config, path: Path, kinds: Sequence[str], templates: Sequence[str], language: str, *, force: bool
) -> tuple[list[Path], int]:
    """Write tables of the node's own records, or templates; the files written and how many records they hold.

    Raises InvalidRequest for a kind or a form that does not exist, AlreadyExists unless ``force``.
    """
    vocabulary = load_vocabulary(config.vocabulary)
    if templates:
        chosen = _chosen([] if "all" in templates else templates, vocabulary)
        tags = list(dict.fromkeys([language or config.language, "en"]))
        tables = [table for kind in chosen for table in rows.template(kind, vocabulary, tags)]
        count = 0
    else:
        tables, count = await _own(config, _chosen(kinds, vocabulary), vocabulary)
    files = _files(path, tables, vocabulary, language or config.language)
    _write(files, force=force)
    return list(files), count


def _chosen(names: Sequence[str], vocabulary: Vocabulary) -> Sequence[Kind]:
    known = {kind.name: kind for kind in vocabulary.authored}
    for name in names:
        if name not in known:
            hint = suggestion(name, known, f"The kinds are {', '.join(known)}.")
            raise InvalidRequest(f"{name!r} is no kind of record.", remedy=hint)
    return [known[name] for name in names] or vocabulary.authored


async def _own(config: Config, kinds: Sequence[Kind], vocabulary: Vocabulary) -> tuple[list[Table], int]:
    tables: list[Table] = []
    count = 0
    async with open_store(config.database or url_of(config.data), of=config.did) as store:
        own = next((log for log in await store.logs() if log.own), None)
        if own is None:
            raise not_set_up()
        for kind in kinds:
            entries = await store.of_kind(own.id, kind.name)
            records = [assemble(nodes_of(each.signed.body), vocabulary)[0] for each in entries]
            if records:
                tables += rows.tables_of(kind, records, vocabulary, config.naming)
                count += len(records)
    return tables, count


def _files(path: Path, tables: Sequence[Table], vocabulary: Vocabulary, language: str) -> dict[Path, bytes]:
    if path.suffix.lower() == ".xlsx":
        text = Locales((language, "en"), "en").choose(language, "").text
        return {path: workbook(tables, vocabulary, language, text)}
    if path.suffix.lower() == ".csv":
        if len(tables) != 1:
            raise InvalidRequest(
                f"There are {len(tables)} tables, and {path.name} can hold one.",
                remedy="Choose one kind with --kind, write a workbook (.xlsx), or name a folder.",
            )
        return {path: csv_of(list(tables[0].lines()))}
    if path.suffix:
        raise InvalidRequest(
            f"{path.suffix!r} is not a form of table.", remedy="Write .xlsx, .csv, or the name of a folder."
        )
    return {path / f"{table.name}.csv": csv_of(list(table.lines())) for table in tables}


def _write(files: dict[Path, bytes], *, force: bool) -> None:
    folders = [str(path) for path in files if path.is_dir()]
    if folders:
        raise InvalidRequest(f"{', '.join(folders)} is a folder.", remedy="Choose another name.")
    there = [str(path) for path in files if path.exists()]
    if there and not force:
        raise AlreadyExists(f"There is {', '.join(there)} already.", remedy="Choose another name, or use --force.")
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(path.name + ".partial")
            partial.write_bytes(data)
            os.replace(partial, path)
    except OSError as error:
        raise StorageFailed(f"The file cannot be written: {error}.", remedy="Choose another folder.") from error
