"""Made-up records that look like real ones: the same number always gives the same record.

Concepts, labels and alternative labels come from the code lists; function words and common words, with
their real frequencies, from the texts in ``nodes/``. The long tail, which some hundred texts cannot show,
is made of compounds of those words (Dutch, German, Danish, Swedish, Norwegian), of names and of numbers.
Words follow Zipf's law, so that posting lists are as uneven as in real text. Nothing is random letters.
"""

from __future__ import annotations

import csv
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from federation.records.draft import Draft
from federation.records.kinds import LANGUAGES, Concept, Vocabulary

NODES: Final = Path(__file__).parent.parent / "nodes"
VOCABULARY_SIZE: Final = 20_000
"""Different words of one language."""
_WORD: Final = re.compile(r"[^\W\d_]{2,}(?:[’'][^\W\d_]+)*")
_SLOT: Final = re.compile(r"\{(\w+)\}")
_COMPOUNDING: Final = frozenset({"nl", "de", "da", "sv", "nb"})
_REGIONS: Final = (  # country, its usual languages, NUTS codes
    ("BE", ("nl", "nl", "nl", "fr", "en"), ("BE1", "BE211", "BE213", "BE24", "BE25", "BE3")),
    ("NL", ("nl", "nl", "en"), ("NL", "NL11", "NL31", "NL33", "NL42")),
    ("DK", ("da", "da", "en"), ("DK", "DK01", "DK02", "DK04", "DK05")),
    ("SE", ("sv", "sv", "en"), ("SE", "SE11", "SE22", "SE23")),
    ("NO", ("nb", "nb", "en"), ("NO", "NO08", "NO0A", "NO06")),
    ("GB", ("en",), ("UK", "UKM7", "UKM8", "UKE")),
    ("DE", ("de", "de", "en"), ("DE", "DE6", "DE94", "DEA")),
)
_CPV: Final = (
    *("39130000", "30200000", "18110000", "45110000", "45262700", "45233000", "45210000", "44100000", "39160000"),
    *("39100000", "33000000", "90910000", "90500000", "55500000", "34928470", "34144511", "34100000", "31500000"),
)
_TITLES: Final[Mapping[str, Sequence[str]]] = {
    "en": ("{sector} in {place}: {strategy}", "{instrument} for {sector}, {org}", "{model} for {sector}: {words}"),
    "nl": ("{sector} in {place}: {strategy}", "{instrument} voor {sector}, {org}", "{model} voor {sector}: {words}"),
    "fr": ("{sector} à {place} : {strategy}", "{instrument} pour {sector}, {org}", "{model} pour {sector} : {words}"),
    "de": ("{sector} in {place}: {strategy}", "{instrument} für {sector}, {org}", "{model} für {sector}: {words}"),
    "da": ("{sector} i {place}: {strategy}", "{instrument} til {sector}, {org}", "{model} for {sector}: {words}"),
    "sv": ("{sector} i {place}: {strategy}", "{instrument} för {sector}, {org}", "{model} för {sector}: {words}"),
    "nb": ("{sector} i {place}: {strategy}", "{instrument} for {sector}, {org}", "{model} for {sector}: {words}"),
}
_SENTENCES: Final[Mapping[str, Sequence[str]]] = {
    "en": (
        "In {year} {org} in {place} asked the market for {sector} with {instrument}.",
        "The aim was {strategy}; {words}.",
        "Instead of buying new, the team chose {model}, so that {words}.",
        "Some {number} pieces were counted before the tender, and {words}.",
        "What made it possible: {enabler}. What stood in the way: {barrier}.",
        "Suppliers proposed {instrument} and {words}.",
        "After {number} months the result for {indicator} was better than expected: {words}.",
        "Colleagues say that {words}, {words}.",
    ),
    "nl": (
        "In {year} vroeg {org} in {place} de markt om {sector} met {instrument}.",
        "Het doel was {strategy}; {words}.",
        "In plaats van nieuw te kopen koos het team voor {model}, zodat {words}.",
        "Vóór de aanbesteding zijn {number} stuks geteld, en {words}.",
        "Wat hielp: {enabler}. Wat in de weg stond: {barrier}.",
        "Leveranciers stelden {instrument} voor en {words}.",
        "Na {number} maanden viel het resultaat voor {indicator} mee: {words}.",
        "Collega's zeggen dat {words}, {words}.",
    ),
    "fr": (
        "En {year}, {org} à {place} a consulté le marché pour {sector} avec {instrument}.",
        "L’objectif était {strategy} ; {words}.",
        "Au lieu d’acheter du neuf, l’équipe a choisi {model}, pour que {words}.",
        "Avant le marché, {number} pièces ont été comptées, et {words}.",
        "Ce qui a aidé : {enabler}. Ce qui a freiné : {barrier}.",
        "Les fournisseurs ont proposé {instrument} et {words}.",
        "Après {number} mois, le résultat pour {indicator} dépasse les attentes : {words}.",
        "Les collègues disent que {words}, {words}.",
    ),
    "de": (
        "Im Jahr {year} fragte {org} in {place} den Markt nach {sector} mit {instrument}.",
        "Das Ziel war {strategy}; {words}.",
        "Statt neu zu kaufen, wählte das Team {model}, damit {words}.",
        "Vor der Ausschreibung wurden {number} Stück gezählt, und {words}.",
        "Was half: {enabler}. Was im Weg stand: {barrier}.",
        "Die Lieferanten schlugen {instrument} vor und {words}.",
        "Nach {number} Monaten war das Ergebnis bei {indicator} besser als erwartet: {words}.",
        "Kolleginnen sagen, dass {words}, {words}.",
    ),
    "da": (
        "I {year} spurgte {org} i {place} markedet om {sector} med {instrument}.",
        "Målet var {strategy}; {words}.",
        "I stedet for at købe nyt valgte holdet {model}, så {words}.",
        "Før udbuddet blev {number} stykker talt, og {words}.",
        "Det hjalp: {enabler}. Det stod i vejen: {barrier}.",
        "Leverandørerne foreslog {instrument} og {words}.",
        "Efter {number} måneder var resultatet for {indicator} bedre end ventet: {words}.",
        "Kolleger siger, at {words}, {words}.",
    ),
    "sv": (
        "År {year} frågade {org} i {place} marknaden om {sector} med {instrument}.",
        "Målet var {strategy}; {words}.",
        "I stället för att köpa nytt valde gruppen {model}, så att {words}.",
        "Före upphandlingen räknades {number} delar, och {words}.",
        "Det hjälpte: {enabler}. Det stod i vägen: {barrier}.",
        "Leverantörerna föreslog {instrument} och {words}.",
        "Efter {number} månader var resultatet för {indicator} bättre än väntat: {words}.",
        "Kollegor säger att {words}, {words}.",
    ),
    "nb": (
        "I {year} spurte {org} i {place} markedet om {sector} med {instrument}.",
        "Målet var {strategy}; {words}.",
        "I stedet for å kjøpe nytt valgte gruppen {model}, slik at {words}.",
        "Før anskaffelsen ble {number} enheter talt, og {words}.",
        "Det hjalp: {enabler}. Det sto i veien: {barrier}.",
        "Leverandørene foreslo {instrument} og {words}.",
        "Etter {number} måneder var resultatet for {indicator} bedre enn ventet: {words}.",
        "Kolleger sier at {words}, {words}.",
    ),
}


class Corpus:
    """Drafts of pilots by number, each with some 40 statements once it is published."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._concepts = {scheme.name: list(scheme.concepts.values()) for scheme in vocabulary.schemes.values()}
        seen = {tag: Counter[str]() for tag in LANGUAGES}
        for tag, text in _texts():
            if tag in seen:
                seen[tag].update(_WORD.findall(text))
        self._places = sorted(_column("organisation.csv", "title@en") | _column("organisation.csv", "title@nl"))
        self._organisations = sorted(_column("organisation.csv", "slug"))
        names = sorted({word for counts in seen.values() for word in counts if word[0].isupper() and len(word) > 4})
        self.words = {tag: _ranked(tag, seen[tag], self._labels(tag), names) for tag in LANGUAGES}
        weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY_SIZE + 1)))
        self._weights = {tag: weights[: len(words)] for tag, words in self.words.items()}

    def _labels(self, tag: str) -> list[str]:
        # Lists that are not looked for in texts do not make texts either: names of regions, headings of CPV.
        lists = (scheme for scheme in self._vocabulary.schemes.values() if not scheme.unspotted)
        found = (concept.labels.get(tag, "") for each in lists for concept in each.concepts.values())
        return sorted({word for label in found for word in _WORD.findall(label) if len(word) > 4})

    def draft(self, number: int) -> Draft:
        """The pilot with this number."""
        rng = random.Random(f"procirc {number}")
        country, spoken, nuts = rng.choice(_REGIONS)
        languages = list(dict.fromkeys([rng.choice(spoken), *(rng.choices(LANGUAGES) if rng.random() < 0.45 else [])]))
        start = rng.choices(range(2024, 2012, -1), range(14, 2, -1))[0]
        picked = {
            "sector": self._pick(rng, "sector", 1 + (rng.random() < 0.3)),
            "strategy": self._pick(rng, "circular-strategy", 1 + (rng.random() < 0.6)),
            "instrument": self._pick(rng, "instrument", rng.randint(1, 3)),
            "model": self._pick(rng, "business-model", 1),
            "indicator": self._pick(rng, "indicator", 1),
            "barrier": self._pick(rng, "barrier", 1),
            "enabler": self._pick(rng, "enabler", 1),
        }
        source = f"https://pilots.example/{country.lower()}/{start}/{number}"
        values: dict[str, Any] = {
            "title": {tag: self._title(rng, tag, picked, start) for tag in languages},
            "abstract": {tag: self._abstract(rng, tag, picked, start) for tag in languages},
            "language": languages[0],
            "procurer": rng.choice(self._organisations),
            "supplier": rng.choice(self._organisations),
            "facilitator": rng.choice(self._organisations),
            "country": country,
            "nuts": rng.choice(nuts),
            "cpv": rng.choice(_CPV),
            "start": str(start) if rng.random() < 0.5 else f"{start}-{rng.randint(1, 12):02}",
            "end": str(start + rng.randint(1, 4)),
            "status": self._pick(rng, "pilot-status", 1)[0].iri,
            "pilotKind": self._pick(rng, "pilot-kind", 1)[0].iri,
            "entryPhase": f"P{rng.randint(1, 3)}",
            "currentPhase": f"P{rng.randint(3, 5)}",
            "procedureType": self._pick(rng, "procedure-type", 1)[0].iri,
            "sector": [each.iri for each in picked["sector"]],
            "strategy": [each.iri for each in picked["strategy"]],
            "instrument": [each.iri for each in picked["instrument"]],
            "businessModel": [each.iri for each in picked["model"]],
            "source": source,
            "notice": f"{source}/notice",
            "observation": self._observation(rng, picked["indicator"][0], source),
        }
        return Draft("pilot", f"pilot-{number}", values)

    def _pick(self, rng: random.Random, scheme: str, count: int) -> list[Concept]:
        """Some different concepts of a code list; the first ones of the list are the commonest."""
        concepts = self._concepts[scheme]
        weights = [1 / (rank + 2) for rank in range(len(concepts))]
        return list({each.iri: each for each in rng.choices(concepts, weights, k=count)}.values())

    def _observation(self, rng: random.Random, indicator: Concept, source: str) -> dict[str, Any]:
        amount = rng.randint(5, 95)
        return {
            "slug": "result",
            "indicator": indicator.iri,
            "observationRole": self._pick(rng, "observation-role", 1)[0].iri,
            "value": str(amount),
            "unit": "item",  # a share would need its whole to be complete
            "evidenceLevel": self._pick(rng, "evidence-level", 1)[0].iri,
            "statedAs": f"{amount} %",
            "source": source,
        }

    # Texts

    def _title(self, rng: random.Random, tag: str, picked: Mapping[str, Sequence[Concept]], year: int) -> str:
        text = self._filled(rng, rng.choice(_TITLES[tag]), tag, picked, year)
        return text[:1].upper() + text[1:280]

    def _abstract(self, rng: random.Random, tag: str, picked: Mapping[str, Sequence[Concept]], year: int) -> str:
        """60 to 120 words."""
        wanted, sentences, size = rng.randint(60, 105), [], 0
        for template in rng.sample(_SENTENCES[tag], len(_SENTENCES[tag])) * 2:
            sentence = self._filled(rng, template, tag, picked, year)
            if size + sentence.count(" ") + 1 > 120:
                continue
            sentences.append(sentence)
            size += sentence.count(" ") + 1
            if size >= wanted:
                break
        return " ".join(sentences)

    def _filled(
        self, rng: random.Random, template: str, tag: str, picked: Mapping[str, Sequence[Concept]], year: int
    ) -> str:
        def slot(match: re.Match[str]) -> str:
            name = match[1]
            if name in picked:
                return _named(rng, rng.choice(picked[name]), tag)
            if name == "words":
                return " ".join(rng.choices(self.words[tag], cum_weights=self._weights[tag], k=rng.randint(4, 9)))
            if name == "number":
                return str(rng.randint(3, 4000))
            return str(year) if name == "year" else rng.choice(self._places)

        return _SLOT.sub(slot, template)


def _named(rng: random.Random, concept: Concept, tag: str) -> str:
    """A concept as an author writes it: mostly by its label, often by another name."""
    others = concept.alternatives.get(tag, ())
    label = rng.choice(others) if others and rng.random() < 0.4 else concept.labels.get(tag, concept.labels["en"])
    return label[:1].lower() + label[1:] if label[1:2].islower() and tag != "de" else label


def _texts() -> Iterator[tuple[str, str]]:
    """Every text of the seed tables with its language."""
    for path in sorted(NODES.glob("*/records/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for header, text in row.items():
                    _, at, tag = str(header).partition("@")
                    if at and text:
                        yield tag, text


def _column(name: str, header: str) -> set[str]:
    found: set[str] = set()
    for path in sorted(NODES.glob(f"*/records/{name}")):
        with path.open(encoding="utf-8", newline="") as file:
            found |= {str(row[header]) for row in csv.DictReader(file) if row.get(header)}
    return found


def _ranked(tag: str, seen: Counter[str], labels: Sequence[str], names: Sequence[str]) -> list[str]:
    """The words of a language, commonest first: those of real texts, then labels, then the long tail."""
    common = sorted(seen, key=lambda word: (-seen[word], word))
    rng = random.Random(f"tail {tag}")
    tail: list[str] = list(labels)
    if tag in _COMPOUNDING:
        first = [word for word in common if len(word) > 4][:600] + list(labels)
        tail += [rng.choice(first) + rng.choice(labels).lower() for _ in range(VOCABULARY_SIZE)]
    else:
        tail += [f"{rng.choice(names)}-{rng.choice(labels)}" if rng.random() < 0.3 else rng.choice(names)
                 for _ in range(VOCABULARY_SIZE // 4)]  # fmt: skip
        tail += [str(number) for number in rng.sample(range(10, 90_000), VOCABULARY_SIZE)]
    return list(dict.fromkeys([*common, *tail]))[:VOCABULARY_SIZE]
