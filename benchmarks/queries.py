"""The searches that are measured: what a buyer types, in seven languages, some with filters."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        "refurbished office furniture", "take-back clause", "material passport", "reuse of building materials",
        "workwear", "circular catering and reusable cups", "laptops refurbished", "total cost of ownership",
        "road signs", "demountable building", "hospital textiles recycling", "early market dialogue",
        "repair instead of replacing", "playground", "concrete with recycled content", "waste containers",
        "product as a service", "CO2 reduction measured", "mobile phones", "life cycle costing",
        "framework agreement second-hand", "what stood in the way", "Kamp C", "supplier engagement", "lease",
    ),
    "nl": (
        "tweedehands kantoormeubilair", "terugname", "materialenpaspoort", "circulair bouwen", "werkkledij",
        "herbruikbare bekers", "laptops", "totale eigendomskost", "verkeersborden", "marktconsultatie",
        "gerecycleerd beton", "herstellen in plaats van vervangen", "ziekenhuis textiel", "raamovereenkomst",
        "levensduur verlengen", "gemeente sloop hergebruik", "product als dienst", "meubels", "besparing CO2",
        "functioneel specificeren", "wetgeving", "leasing", "straatmeubilair", "Rijkswaterstaat", "afval",
    ),
    "fr": (
        "mobilier de bureau reconditionné", "reprise", "passeport matériaux", "réemploi bâtiment",
        "vêtements de travail", "gobelets réutilisables", "ordinateurs portables", "coût total de possession",
        "consultation du marché", "béton recyclé", "réparer au lieu de remplacer", "accord-cadre",
    ),
    "de": (
        "gebrauchte Büromöbel", "Rücknahme", "Materialpass", "Wiederverwendung Bauteile", "Arbeitskleidung",
        "Mehrwegbecher", "Laptops aufgearbeitet", "Lebenszykluskosten", "Marktdialog", "Recyclingbeton",
        "Reparatur statt Ersatz", "Rahmenvertrag",
    ),
    "da": (
        "genbrugte kontormøbler", "tilbagetagning", "materialepas", "genbrug byggematerialer", "arbejdstøj",
        "bærbare computere", "totaløkonomi", "markedsdialog", "affald containere", "reparation", "rammeaftale",
        "forlænget levetid",
    ),
    "sv": (
        "återbrukade kontorsmöbler", "återtagande", "materialpass", "återbruk byggmaterial", "arbetskläder",
        "bärbara datorer", "livscykelkostnad", "marknadsdialog", "skyltar", "reparera", "ramavtal",
        "förlängd livslängd",
    ),
    "nb": (
        "brukte kontormøbler", "ombruk byggematerialer", "materialpass", "arbeidsklær", "bærbare datamaskiner",
        "livssykluskostnader", "markedsdialog", "reparasjon", "rammeavtale", "gjenvinning", "møbler", "avfall",
    ),
}  # fmt: skip
FILTERS: Final[tuple[Mapping[str, tuple[str, ...]], ...]] = (
    {}, {}, {}, {}, {}, {},
    {"country": ("BE",)}, {"status": ("completed",)}, {"node": ("denmark", "sweden")}, {"strategy": ("R3",)},
    {"language": ("nl",)}, {"sector": ("furniture-office",)}, {"year": ("2023", "2022")},
    {"country": ("NL",), "status": ("completed", "in-contract")},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """One search: words, the reader's language, chosen facet values."""

    text: str
    language: str
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        pairs = [("q", self.text), ("lang", self.language), ("limit", "20")]
        pairs += [(name, value) for name, values in self.filters.items() for value in values]
        return f"/api/search?{urlencode(pairs)}"


def drawn(count: int) -> tuple[list[Query], list[Query]]:
    """Searches to warm up with and other ones to measure, the same in every run."""
    rng = random.Random("queries")
    every = [
        Query(text, language, filters)
        for language, texts in TEXTS.items()
        for text in texts
        for filters in (FILTERS[0], *rng.sample(FILTERS[6:], 4))
    ]
    rng.shuffle(every)
    if len(every) < count + 50:
        raise ValueError(f"There are only {len(every)} searches.")
    return every[count:], every[:count]
