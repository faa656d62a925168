"""Notices in the Open Contracting Data Standard: a release, a release package or a record package.

Source: OCDS 1.1 release, release package and record package reference; of its extensions those for the
European Union, locations, lots and communication. Releases are not merged: of several of one process
the newest with a tender counts, and a record gives its compiled release.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from federation.errors import Fault
from federation.exchange.notices import Notice, Stage, day, language_tag, left_out, read_notice, texts_of
from federation.records.draft import Draft, Place
from federation.records.kinds import Texts, Vocabulary

Object = Mapping[str, Any]

_GONE: Final = ("cancelled", "withdrawn")
_PLANNED: Final = ("planning", "planned")
_NOTICES: Final = ("tenderNotice", "marketEngagementNotice", "plannedProcurementNotice")
"""The documents that are the notice itself; the second one is of the profile of the United Kingdom."""
_REGION: Final = re.compile(r"(?:DE|FR|IT|UK)[A-Z]|[A-Z]{2}(?=[A-Z]*[0-9])[0-9A-Z]{1,3}")
"""A NUTS code rather than a name in capitals: the field of an address holds either."""


def read(document: object, file: str, vocabulary: Vocabulary) -> tuple[list[Draft], list[Fault]]:
    """The buyers and opportunities of an OCDS document, and every fault found.

    The row of a fault counts the releases or records of a package from 1. Buyers are given once each.
    """
    releases = _releases(document)
    if not releases:
        message = "The file holds no OCDS release: no list of releases or records, and no release with an ocid."
        remedy = "Choose a release, a release package or a record package of OCDS 1.1, as JSON."
        return [], [Fault(message, remedy, file=file)]
    drafts: dict[tuple[str, str], Draft] = {}
    faults = _misplaced(_object(document), file)
    for place, release in _newest(releases, file):
        found, wrong = _read(release, vocabulary, place)
        faults += wrong
        for draft in found:
            drafts.setdefault((draft.kind, draft.slug), draft)
    return list(drafts.values()), faults


def _releases(document: object) -> list[Object]:
    package = _object(document)
    if "releases" in package or "records" in package:
        return _objects(package.get("releases")) or [_of_record(each) for each in _objects(package.get("records"))]
    return [package] if "ocid" in package else []


def _misplaced(package: Object, file: str) -> list[Fault]:
    """What stands in the list of releases or records and is neither."""
    name = "releases" if _objects(package.get("releases")) else "records"
    return [
        Fault(f"Number {number} of {name} is not a JSON object.", "Correct it or take it out.", file=file, row=number)
        for number, each in enumerate(_list(package.get(name)), 1)
        if not isinstance(each, dict)
    ]


def _of_record(record: Object) -> Object:
    embedded = [release for release in _objects(record.get("releases")) if release.get("tender")]
    newest = max(embedded, key=lambda release: _text(release.get("date")), default=record)
    return _object(record.get("compiledRelease")) or newest


def _newest(releases: list[Object], file: str) -> Iterator[tuple[Place, Object]]:
    """The newest release of every process, with its place: the number in the package where there are several."""
    newest: dict[str, tuple[bool, str, int]] = {}
    for number, release in enumerate(releases, 1):
        key = _text(release.get("ocid")) or f"#{number}"
        age = (bool(_object(release.get("tender"))), _text(release.get("date")), number)
        newest[key] = max(newest.get(key, age), age)
    for _, _, number in newest.values():
        yield Place(file, number if len(releases) > 1 else None), releases[number - 1]


def _read(release: Object, vocabulary: Vocabulary, place: Place) -> tuple[list[Draft], list[Fault]]:
    ocid, tender = _text(release.get("ocid"))[:100], _object(release.get("tender"))
    if not tender:
        return [], [left_out(f"{ocid or 'The release'} holds no tender.", place)]
    status = _text(tender.get("status"))
    if status in _GONE or "tenderCancellation" in _list(release.get("tag")):
        return [], [left_out(f"The tender of {ocid} is {status if status in _GONE else 'cancelled'}.", place)]
    return read_notice(_notice(release, tender, vocabulary), vocabulary, place)


def _notice(release: Object, tender: Object, vocabulary: Vocabulary) -> Notice:
    planning = _object(release.get("planning"))
    language = _text(release.get("language"))
    documents = _objects(planning.get("documents")) + _objects(tender.get("documents"))
    stage = _stage(release, tender, planning)
    buyer = _buyer(release, tender)
    return Notice(
        id=_text(release.get("ocid")),
        stage=stage,
        language=language_tag(language, vocabulary),
        title=texts_of(_translations(tender, "title", language), vocabulary),
        description=_description(tender, planning, language, vocabulary),
        buyer=texts_of(_translations(buyer, "name", language), vocabulary),
        buyer_id=_register(_object(buyer.get("identifier"))),
        buyer_country=_country(_object(buyer.get("address"))),
        cpv=tuple(_cpv(tender)),
        nuts=tuple(_nuts(tender)),
        deadline=_deadline(tender, planning, stage),
        expected=_expected(tender),
        url=_url(documents),
    )


def _stage(release: Object, tender: Object, planning: Object) -> Stage:
    status = _text(tender.get("status"))
    tags = {_text(tag).removesuffix("Update") for tag in _list(release.get("tag"))}
    if status not in _PLANNED and (status or tags != {"planning"}):
        return "tender"
    kinds = [each.get("documentType") for each in _objects(planning.get("documents"))]
    notices = [kind for kind in kinds if kind in _NOTICES]
    asked = notices[-1] == "marketEngagementNotice" if notices else bool(_engagement(planning))
    return "consultation" if asked else "planning"


def _engagement(planning: Object) -> str:
    """The last day of a dialogue with the market."""
    milestones = _objects(planning.get("milestones"))
    days = [day(_text(each.get("dueDate"))) for each in milestones if each.get("type") == "engagement"]
    return min(filter(None, days), default="")


def _deadline(tender: Object, planning: Object, stage: Stage) -> str:
    if stage == "consultation":
        return _engagement(planning)
    lots = [lot for lot in _objects(tender.get("lots")) if lot.get("status") not in _GONE]
    ends = [day(_text(_object(each.get("tenderPeriod")).get("endDate"))) for each in (tender, *lots)]
    return ends[0] or min(filter(None, ends), default="")


def _expected(tender: Object) -> str:
    announced = _text(_object(tender.get("communication")).get("futureNoticeDate"))
    return day(announced) or day(_text(_object(tender.get("tenderPeriod")).get("startDate")))


def _description(tender: Object, planning: Object, language: str, vocabulary: Vocabulary) -> Texts:
    pairs = (*_translations(tender, "description", language), *_translations(planning, "rationale", language))
    return texts_of(pairs, vocabulary)


def _translations(each: Object, name: str, language: str) -> Iterator[tuple[str, object]]:
    """A text in the language of the release, then its translations: ``title``, ``title_fr``."""
    yield language, each.get(name)
    for key, text in each.items():
        if key.startswith(f"{name}_"):
            yield key[len(name) + 1 :], text


def _buyer(release: Object, tender: Object) -> Object:
    """The whole party of the buyer; where there is none, the reference with its name, else who runs the tender."""
    parties = _objects(release.get("parties"))
    for role, reference in (("buyer", release.get("buyer")), ("procuringEntity", tender.get("procuringEntity"))):
        known = _object(reference)
        for party in parties:
            if party.get("id") == known["id"] if "id" in known else role in _list(party.get("roles")):
                return {**known, **party}
        if known.get("name"):
            return known
    return {}


def _register(identifier: Object) -> str:
    number = _text(identifier.get("id"))
    return f"{_text(identifier.get('scheme'))} {number}".strip() if number else ""


def _country(address: Object) -> str:
    return next(filter(None, (_text(address.get(name)) for name in ("countryCode", "country", "countryName"))), "")


def _cpv(tender: Object) -> Iterator[str]:
    """CPV codes without their check digit, which some write: 45210000-2."""
    for each in (tender, *_objects(tender.get("items"))):
        classifications = [_object(each.get("classification")), *_objects(each.get("additionalClassifications"))]
        yield from (_text(one.get("id"))[:8] for one in classifications if one.get("scheme") == "CPV")


def _nuts(tender: Object) -> Iterator[str]:
    for item in _objects(tender.get("items")):
        addresses = [_object(item.get("deliveryAddress")), *_objects(item.get("deliveryAddresses"))]
        yield from (code for each in addresses if _REGION.fullmatch(code := _text(each.get("region"))))
        gazetteer = _object(_object(item.get("deliveryLocation")).get("gazetteer"))
        if _text(gazetteer.get("scheme")).startswith("NUTS"):
            yield from map(_text, _list(gazetteer.get("identifiers")))


def _url(documents: list[Object]) -> str:
    """The address of the newest notice, else that of another document."""
    ordered = sorted(documents, key=lambda each: each.get("documentType") in _NOTICES)
    urls = [_text(each.get("url")) for each in reversed(ordered)]
    return next((url for url in urls if url.startswith(("http://", "https://"))), "")


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> list[Object]:
    return [each for each in _list(value) if isinstance(each, dict)]
