"""Notices in eForms, the XML of Tenders Electronic Daily: contract notices and prior information notices.

Source: eForms SDK, schemas and fields (the BT numbers below). Such a file may come from anywhere: one
with a document type is refused before it is parsed, since entities can be made to grow without end,
and one that is too large, too deep or made of too many elements is not read to its end.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree.ElementTree import Element

from federation.errors import Fault
from federation.exchange.notices import Notice, Stage, day, language_tag, left_out, read_notice, texts_of
from federation.records.draft import Draft, Place
from federation.records.kinds import Texts, Vocabulary
from federation.records.values import Refused

MAX_SIZE: Final = 16 * 1024 * 1024
MAX_ELEMENTS: Final = 500_000
MAX_DEPTH: Final = 100

_UBL: Final = "urn:oasis:names:specification:ubl:schema:xsd:"
_EU: Final = "http://data.europa.eu/p27/eforms-ubl-extension"
NAMESPACES: Final = {
    "cac": f"{_UBL}CommonAggregateComponents-2",
    "cbc": f"{_UBL}CommonBasicComponents-2",
    "ext": f"{_UBL}CommonExtensionComponents-2",
    "efext": f"{_EU}s/1",
    "efac": f"{_EU}-aggregate-components/1",
    "efbc": f"{_EU}-basic-components/1",
}
_ROOTS: Final = {f"{{{_UBL}{name}-2}}{name}" for name in ("ContractNotice", "PriorInformationNotice")}
_STAGES: Final[dict[str, Stage]] = {"planning": "planning", "consultation": "consultation", "competition": "tender"}
"""By form type (BT-03), the list that the notice type is of."""
_DEADLINES: Final = (
    "cac:TenderSubmissionDeadlinePeriod",  # BT-131
    "cac:ParticipationRequestReceptionPeriod",  # BT-1311
    "efac:InterestExpressionReceptionPeriod",  # BT-630
    "efac:AnswerReceptionPeriod",  # of a market consultation
)
_EXTENSION: Final = "ext:UBLExtensions/ext:UBLExtension/ext:ExtensionContent/efext:EformsExtension"
_TED: Final = "https://ted.europa.eu/en/notice/-/detail/"
_STRATEGIC: Final = ".//cac:ProcurementAdditionalType"
_EXPECTED: Final = "Choose the XML of a contract notice or a prior information notice, as TED offers it for download."


def read(data: bytes, file: str, vocabulary: Vocabulary) -> tuple[list[Draft], list[Fault]]:
    """The buyer and the opportunity of an eForms notice, and every fault found."""
    place = Place(file)
    try:
        root = _parsed(data)
        notice = _notice(root, vocabulary)
    except Refused as refused:
        return [], [Fault(refused.message, refused.remedy, file=file)]
    # A notice is called off by another one, a change notice that repeats it all (BT-140).
    if _text(root, f"{_EXTENSION}/efac:Changes/efac:ChangeReason/cbc:ReasonCode") == "cancel":
        return [], [left_out(f"Notice {notice.id} calls off an earlier one.", place)]
    return read_notice(notice, vocabulary, place)


def _parsed(data: bytes) -> Element:
    """The root of an eForms notice. Raises Refused for anything else."""
    if len(data) > MAX_SIZE:
        raise Refused(f"The file is larger than {MAX_SIZE // 1024**2} MiB.", _EXPECTED)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("The file is not XML in UTF-8, as every eForms notice is.", _EXPECTED) from error
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise Refused("The file declares a document type or entities, which no eForms notice does.", _EXPECTED)
    parser = ET.XMLParser(target=_Builder())  # noqa: S314 - without a document type there are no entities
    try:
        parser.feed(text)
        root = parser.close()
    except ET.ParseError as error:
        raise Refused(f"The file is not well-formed XML: {error}.", _EXPECTED) from error
    if not isinstance(root, Element) or root.tag not in _ROOTS:
        name = str(root.tag).rpartition("}")[2][:60] if isinstance(root, Element) else ""
        raise Refused(f"The file is a {name!r}, not an eForms notice that announces a contract.", _EXPECTED)
    return root


class _Builder(ET.TreeBuilder):
    """Builds the tree, and stops at one that no notice needs."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = self.elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self.depth += 1
        self.elements += 1
        if self.depth > MAX_DEPTH or self.elements > MAX_ELEMENTS:
            raise Refused("The file has more elements, or deeper ones, than a notice needs.", _EXPECTED)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self.depth -= 1
        return super().end(tag)


def _notice(root: Element, vocabulary: Vocabulary) -> Notice:
    language = _text(root, "cbc:NoticeLanguageCode")  # BT-702

    def texts(found: Iterable[Element]) -> Texts:
        pairs = ((each.get("languageID", language), each.text) for each in found)
        return texts_of(pairs, vocabulary)

    buyer = _buyer(root)
    return Notice(
        id=_text(root, "cbc:ID"),  # BT-701
        stage=_stage(root),
        language=language_tag(language, vocabulary),
        title=texts(_all(root, "cac:ProcurementProject/cbc:Name")),  # BT-21
        description=texts(_all(root, "cac:ProcurementProject/cbc:Description")),  # BT-24
        buyer=texts(_all(buyer, "cac:PartyName/cbc:Name")),  # BT-500
        buyer_id=_text(buyer, "cac:PartyLegalEntity/cbc:CompanyID"),  # BT-501
        buyer_country=_text(buyer, "cac:PostalAddress/cac:Country/cbc:IdentificationCode"),  # BT-514
        cpv=_codes(root, ".//cbc:ItemClassificationCode", "cpv"),  # BT-262, BT-263
        nuts=_codes(root, ".//cac:RealizedLocation/cac:Address/cbc:CountrySubentityCode", "nuts"),  # BT-5071
        deadline=_deadline(root),
        expected=day(_text(root, "cbc:PlannedDate")),  # BT-127
        url=_url(root),
        procedure=_text(root, "cbc:ContractFolderID"),  # BT-04
        strategic=_codes(
            root, f"{_STRATEGIC}/cbc:ProcurementTypeCode", "strategic-procurement", "environmental-impact"
        ),
        strategic_text=texts(_strategic_words(root)),
    )


def _stage(root: Element) -> Stage:
    code = root.find("cbc:NoticeTypeCode", NAMESPACES)
    form = "" if code is None else code.get("listName", "")
    if not form:
        raise Refused("The notice does not state its form type (BT-03).", _EXPECTED)
    if form not in _STAGES:
        raise Refused(f"The form type of the notice is {form[:60]!r}, which announces no contract.", _EXPECTED)
    return _STAGES[form]


def _buyer(root: Element) -> Element:
    """The company that the first contracting party names, itself or by one of its contact points (OPT-300)."""
    named = _text(root, "cac:ContractingParty/cac:Party/cac:PartyIdentification/cbc:ID")
    for organisation in _all(root, f"{_EXTENSION}/efac:Organizations/efac:Organization"):
        names = {each.text for each in _all(organisation, "*/cac:PartyIdentification/cbc:ID")}
        company = organisation.find("efac:Company", NAMESPACES)
        if named in names and company is not None:
            return company
    return Element("unknown")


def _deadline(root: Element) -> str:
    """The earliest day on which a lot closes; days before the notice was sent are of lots already closed."""
    sent = day(_text(root, "cbc:IssueDate"))
    days = [day(each.text or "") for path in _DEADLINES for each in _all(root, f".//{path}/cbc:EndDate")]
    return min((each for each in days if each and each >= sent), default="")


def _url(root: Element) -> str:
    """The published notice on TED, else the procurement documents (BT-15, BT-615)."""
    number = re.fullmatch(
        r"0*([1-9][0-9]*-[0-9]{4})", _text(root, f"{_EXTENSION}/efac:Publication/efbc:NoticePublicationID")
    )
    if number:
        return _TED + number[1]
    documents = _all(root, ".//cac:CallForTendersDocumentReference/cac:Attachment/cac:ExternalReference/cbc:URI")
    urls = ((each.text or "").strip() for each in documents)
    return next((url for url in urls if url.startswith(("http://", "https://"))), "")


def _strategic_words(root: Element) -> Iterator[Element]:
    """What the buyer writes on strategic procurement (BT-777), and not on accessibility."""
    for each in _all(root, _STRATEGIC):
        if _codes(each, "cbc:ProcurementTypeCode", "strategic-procurement"):
            yield from _all(each, "cbc:ProcurementType")


def _codes(root: Element, path: str, *lists: str) -> tuple[str, ...]:
    """The codes of some lists, each once; newer notices name the level as well, as in nuts-lvl3."""
    found = (each for each in _all(root, path) if each.get("listName", "").startswith(lists))
    return tuple(dict.fromkeys((each.text or "").strip() for each in found))


def _all(root: Element, path: str) -> Iterable[Element]:
    return root.iterfind(path, NAMESPACES)


def _text(root: Element, path: str) -> str:
    return (root.findtext(path, "", NAMESPACES) or "").strip()
