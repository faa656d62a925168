"""Hidden labels: what people type for a concept, and no text is read by (``skos:hiddenLabel``, SKOS section 5).

*Niemand controleert* is how somebody asks for what the code list calls missing follow-up; a text that has those
words may speak of anything. There are more of them than of all other labels, so only the languages that are
searched in are kept, and of a label its stems.
"""

from __future__ import annotations

import threading
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from federation.index.languages import WORD, analysed_as, fold, written_stem
from federation.records.lexical import SEVERAL

LONGEST: Final = 7
"""Words of a hidden label."""


class Hidden(NamedTuple):
    """The hidden labels of one language."""

    concepts: Mapping[str, tuple[str, ...]]
    """By the stems of a label, with spaces between them."""
    reach: Mapping[str, int]
    """Words of the longest label that begins with a stem."""
    spelled: Mapping[tuple[str, str], tuple[str, ...]]
    """The labels of one word by stem and concept, in small letters."""

    def of(self, stems: Sequence[str]) -> tuple[str, ...]:
        """The concepts for which somebody types some stems."""
        return self.concepts.get(" ".join(stems), ())


class HiddenLabels:
    """The hidden labels of a vocabulary: those of a language are stemmed when somebody first searches in it."""

    def __init__(self, rows: Iterable[tuple[str, str, str]], concepts: Container[str]) -> None:
        """Language, concept and cell of each row; what belongs to none of the concepts is passed over."""
        self._rows: dict[str, list[tuple[str, str]]] = {}
        for language, concept, cell in rows:
            if concept in concepts:
                self._rows.setdefault(analysed_as(language), []).append((concept, cell))
        self._read: dict[str, Hidden] = {}
        self._making = threading.Lock()

    def __getitem__(self, rules: str) -> Hidden:
        found = self._read.get(rules)
        if found is None:
            with self._making:
                found = self._read.get(rules)
                if found is None:
                    found = self._read[rules] = _stemmed(self._rows.pop(rules, ()), rules)
        return found


def _stemmed(rows: Iterable[tuple[str, str]], rules: str) -> Hidden:
    concepts: dict[str, tuple[str, ...]] = {}
    reach: dict[str, int] = {}
    spelled: dict[tuple[str, str], tuple[str, ...]] = {}
    for concept, cell in rows:
        for text in cell.split(SEVERAL):
            words = WORD.findall(text)
            stems = [fold(written_stem(word, rules)) for word in words]  # not to be remembered
            if 0 < len(stems) <= LONGEST:
                label = " ".join(stems)
                concepts[label] = tuple(dict.fromkeys((*concepts.get(label, ()), concept)))
                reach[stems[0]] = max(reach.get(stems[0], 0), len(stems))
                if len(stems) == 1:
                    spelled[label, concept] = (*spelled.get((label, concept), ()), words[0].lower())
    return Hidden(concepts, reach, spelled)
