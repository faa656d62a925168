"""Languages of the pages: gettext catalogues, formats of dates and numbers, and whose turn it is.

The catalogues lie beside this module as ``locales/{language}.po`` and are compiled in memory at start,
so there is no build step to forget. The language of a page is the one in its address (``lang=``), else
the best of the browser's, else the node's.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations

from federation.records.kinds import LANGUAGES, Texts, in_language

FOLDER: Final = Path(__file__).parent / "locales"
_BABEL: Final = {"en": "en_GB", "nl": "nl_BE"}
_NEAR: Final = {"nn": "nb", "no": "nb"}


@dataclass(frozen=True)
class Language:
    """One language: its texts and its ways of writing dates and numbers."""

    tag: str
    translations: Translations
    locale: Locale

    def text(self, message: str) -> str:
        return str(self.translations.gettext(message))

    def plural(self, one: str, many: str, count: int) -> str:
        return str(self.translations.ngettext(one, many, count)).format(n=self.number(count))

    def number(self, value: float | str) -> str:
        return str(format_decimal(value, locale=self.locale))

    def day(self, value: str | datetime) -> str:
        """A time as a day in words."""
        when = datetime.fromisoformat(value) if isinstance(value, str) else value
        return str(format_date(when, "long", locale=self.locale))

    def moment(self, value: str) -> str:
        return f"{format_datetime(datetime.fromisoformat(value), 'medium', locale=self.locale)} UTC" if value else ""

    def partial_date(self, value: str) -> str:
        """A day, month or year as it was given: no more precise than the source."""
        if len(value) == 10:
            return str(format_date(datetime.fromisoformat(value), "long", locale=self.locale))
        if len(value) == 7:
            return str(format_date(datetime.fromisoformat(value + "-01"), "LLLL y", locale=self.locale))
        return value

    def pick(self, texts: Texts) -> str:
        return in_language(texts, self.tag)[1]

    @property
    def own_name(self) -> str:
        name = self.locale.languages.get(self.tag, self.tag)
        return str(name[:1].upper() + name[1:])


class Locales:
    """The languages this node offers."""

    def __init__(self, offered: Sequence[str], default: str) -> None:
        self.default = default
        self.languages: Mapping[str, Language] = {tag: _load(tag) for tag in LANGUAGES if tag in offered}

    def choose(self, asked: str, accept_language: str) -> Language:
        """The language of a page, from ``lang=`` and the Accept-Language header."""
        tags = (asked, *_preferences(accept_language[:500]), self.default, "en")
        found = (language for language in map(self.offered, tags) if language is not None)
        return next(found, next(iter(self.languages.values())))

    def offered(self, tag: str) -> Language | None:
        """The language for a tag, be it one of a region (``nl-BE``) or of a near language (``nn``)."""
        short = tag.lower().partition("-")[0]
        return self.languages.get(_NEAR.get(short, short))


def _load(tag: str) -> Language:
    compiled = io.BytesIO()
    path = FOLDER / f"{tag}.po"
    if path.exists():
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=tag))
        compiled.seek(0)
        translations = Translations(compiled)
    else:
        translations = Translations()
    return Language(tag, translations, Locale.parse(_BABEL.get(tag, tag)))


def _preferences(header: str) -> list[str]:
    ranked: list[tuple[float, int, str]] = []
    for order, part in enumerate(header.split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            ranked.append((-float(quality or 1), order, tag.strip()))
        except ValueError:
            continue
    return [tag for weight, _, tag in sorted(ranked) if tag and weight < 0]
