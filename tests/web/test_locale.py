"""Every text of every page exists in every language, with the same places to fill in."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from federation.errors import FederationError
from federation.exchange.workbook import TEXTS as WORKBOOK
from federation.records.kinds import LANGUAGES
from federation.web.asked import TEXTS as ASKED
from federation.web.asked import TITLES
from federation.web.locale import FOLDER, Locales
from federation.web.notices import TEXTS as NOTICES
from federation.web.pages import FOLDER as PAGES
from federation.web.results import COLUMNS

TRANSLATED = [tag for tag in LANGUAGES if tag != "en"]


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"\{[^{}]*\}|%\(?\w*\)?[sd]", text))


@pytest.fixture(scope="module")
def messages() -> list[str | tuple[str, str]]:
    """Every text that pages may show: of templates (pairs of one and many), titles of errors, workbooks."""
    found = extract_from_dir(
        str(PAGES / "templates"),
        [("**.html", "jinja2.ext:babel_extract")],
        {"**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}},
    )
    titles = [error.title for error in family(FederationError) if error.fault_of != "peer"]
    return list(
        dict.fromkeys(
            [
                *(message for _, _, message, _, _ in found),
                *titles,
                *WORKBOOK,
                *NOTICES.values(),
                *ASKED.values(),
                *TITLES.values(),
                *COLUMNS,
            ]
        )
    )


def family(error: type[FederationError]) -> list[type[FederationError]]:
    return [error, *(each for kind in error.__subclasses__() for each in family(kind))]


def catalogue(tag: str) -> Catalog:
    with (FOLDER / f"{tag}.po").open("rb") as file:
        return read_po(file, locale=tag, abort_invalid=True)


def test_the_templates_have_texts(messages):
    assert "Search all regions" in messages
    assert ("{n} record", "{n} records") in messages


@pytest.mark.parametrize("tag", TRANSLATED)
def test_every_text_of_the_templates_is_translated(tag: str, messages):
    known = {message.id: message for message in catalogue(tag) if message.id}
    assert [message for message in messages if message not in known] == []
    empty = [
        message.id
        for message in known.values()
        if message.fuzzy or not all(message.string if isinstance(message.string, tuple | list) else [message.string])
    ]
    assert empty == []


@pytest.mark.parametrize("tag", TRANSLATED)
def test_no_translation_is_left_over(tag: str, messages):
    assert [message.id for message in catalogue(tag) if message.id and message.id not in messages] == []


@pytest.mark.parametrize("tag", TRANSLATED)
def test_translations_keep_the_places_to_fill_in(tag: str):
    for message in catalogue(tag):
        if not message.id:
            continue
        source = message.id if isinstance(message.id, str) else message.id[-1]
        strings = [message.string] if isinstance(message.string, str) else list(message.string)
        for text in strings:
            assert placeholders(text) == placeholders(source), text


@pytest.mark.parametrize("tag", TRANSLATED)
def test_translations_hold_no_markup_and_no_stray_spaces(tag: str):
    for message in catalogue(tag):
        if message.id:
            for text in [message.string] if isinstance(message.string, str) else message.string:
                assert "<" not in text
                assert text == text.strip()


@pytest.mark.parametrize("tag", TRANSLATED)
def test_one_and_many_are_told_apart(tag: str):
    language = Locales(LANGUAGES, "en").languages[tag]
    one, many = (language.plural("{n} record", "{n} records", count) for count in (1, 2))
    assert one.startswith("1 ")
    assert many.startswith("2 ")
    assert one.removeprefix("1") != many.removeprefix("2")


def test_numbers_and_days_are_written_as_each_language_does():
    languages = Locales(LANGUAGES, "en").languages
    assert [languages[tag].number("1234.5") for tag in ("en", "nl", "da", "de")] == [
        "1,234.5",
        "1.234,5",
        "1.234,5",
        "1.234,5",
    ]
    day = datetime(2026, 11, 22)  # noqa: DTZ001 - a day, wherever it is
    assert languages["fr"].day(day) == "22 novembre 2026"
    assert languages["sv"].day("2026-11-22") == "22 november 2026"


@pytest.mark.parametrize(
    ("value", "shown"), [("2021-05-18", "18 May 2021"), ("2021-05", "May 2021"), ("2021", "2021"), ("", "")]
)
def test_a_date_is_no_more_precise_than_its_source(value: str, shown: str):
    assert Locales(LANGUAGES, "en").languages["en"].partial_date(value) == shown


def test_only_the_languages_a_node_offers_are_chosen():
    locales = Locales(("en", "da"), "da")
    assert locales.choose("nl", "sv").tag == "da"
    assert locales.choose("en", "da").tag == "en"
