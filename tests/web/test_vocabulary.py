"""The vocabulary over HTTP: every file as it ships and nothing else, explained on pages and as linked data."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from urllib.parse import unquote

import pyoxigraph as ox
import pytest

from federation.records.canonical import PC
from federation.records.kinds import LANGUAGES, FieldType
from federation.records.vocabulary import default_folder, load_vocabulary
from federation.web import diagram, terms
from federation.web.vocabulary import FOLDED
from tests.web.conftest import Answer, Site
from tests.web.markup import Element, Page

FOLDER = default_folder()
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.suffix in (".ttl", ".jsonld"))
VOCABULARY = load_vocabulary()
KINDS = {**VOCABULARY.kinds, **VOCABULARY.parts}
LISTS = {scheme.name: scheme for scheme in VOCABULARY.schemes.values()}
EXPLAINED = ["/vocab/ns", *(f"/vocab/kind/{name}" for name in KINDS), *(f"/vocab/list/{name}" for name in LISTS)]
FORMS = {".ttl": ("text/turtle", ox.RdfFormat.TURTLE), ".jsonld": ("application/ld+json", ox.RdfFormat.JSON_LD)}


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_byte_for_byte(site: Site, name: str):
    answer = site.get(f"/vocab/{name}")
    assert answer.status == 200
    assert answer.body == (FOLDER / name).read_bytes()
    assert answer.media_type == ("text/turtle" if name.endswith(".ttl") else "application/ld+json")


def test_the_vocabulary_may_be_read_from_other_websites(site: Site):
    assert site.get("/vocab/procirc.ttl").headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "path",
    [
        "/vocab/../pyproject.toml",
        "/vocab/%2e%2e/pyproject.toml",
        "/vocab/%2e%2e%2fpyproject.toml",
        "/vocab/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/vocab//etc/passwd",
        "/vocab/%2fetc%2fpasswd",
        "/vocab/codelists/../../README.md",
        "/vocab/shapes",
        "/vocab/shapes/",
        "/vocab/procirc.ttl%00",
        "/vocab/PROCIRC.TTL",
        "/static/../templates/base.html",
        "/static/%2e%2e/templates/base.html",
        "/static/..%2f..%2fcli.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
    ],
)
def test_no_path_leads_out_of_the_folder(site: Site, path: str):
    answer = site.get(path)
    assert answer.status in (403, 404)
    assert answer.media_type == "application/problem+json"


def test_the_style_sheet_and_the_icon_are_served(site: Site):
    folder = Path(__file__).parents[2] / "federation" / "web" / "static"
    style, icon = site.get("/static/style.css"), site.get("/static/icon.svg")
    assert (style.media_type, icon.media_type) == ("text/css", "image/svg+xml")
    assert style.body == (folder / "style.css").read_bytes()
    assert icon.body == (folder / "icon.svg").read_bytes()


def test_the_list_of_static_files_is_not_shown(site: Site):
    assert site.get("/static/").status in (403, 404)


# The pages


def names_in(page: Page) -> list[str]:
    return [each.attributes["id"] for each in page.elements if "id" in each.attributes]


def texts_of(elements: list[Element]) -> list[str]:
    return [" ".join(each.text.split()) for each in elements]


def translated(path: str, tag: str, site: Site) -> Page:
    """A page in a language, after the checks that hold for every one of them."""
    page = Page(site.page(f"{path}?lang={tag}"))
    assert page.one("html").attributes["lang"] == tag
    assert len(page.all("h1")) == 1
    levels = [int(each.tag[1]) for each in page.elements if re.fullmatch("h[1-6]", each.tag)]
    assert all(deeper - higher <= 1 for higher, deeper in itertools.pairwise(levels))
    names = names_in(page)
    assert len(names) == len(set(names))
    assert not [name for name in names if not name or name.split() != [name]]
    assert {each.attributes.get("scope") for each in page.all("th")} <= {"col", "row"}
    assert not [each for each in page.elements if "style" in each.attributes or each.tag in ("style", "script")]
    menu = {each.attributes["href"] for each in page.all("a") if "hreflang" in each.attributes}
    inner = {each for each in page.links if re.match(r"/vocab/($|\?|ns|kind/|list/)(?!.*\.(ttl|jsonld)$)", each)} - menu
    assert inner
    assert not [each for each in inner if not re.search(rf"\?lang={tag}(#|$)", each)]
    return page


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_page_lists_every_file_kind_part_list_and_rule(site: Site, tag: str):
    page = translated("/vocab/", tag, site)
    assert {f"/vocab/{name}" for name in FILES} <= set(page.links)
    assert set(KINDS) <= {each.attributes.get("id") for each in page.all("h3")}
    assert {f"{path}?lang={tag}" for path in EXPLAINED} <= set(page.links)
    for each in (*KINDS.values(), *LISTS.values()):
        assert each.labels[tag] in page.one("main").text
    for text in [*(k.help for k in KINDS.values()), *(r.messages for r in VOCABULARY.rules.values())]:
        assert text[tag] in page.one("main").text
    for scheme in LISTS.values():
        assert scheme.definition[tag] in page.one("main").text


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_page_of_a_kind_explains_every_field_at_the_local_name_of_its_property(site: Site, kind, tag: str):
    page = translated(f"/vocab/kind/{kind.name}", tag, site)
    assert page.one("h1").text == kind.labels[tag]
    sections = page.all("section", class_="term")
    for section, field in zip(sections, _in_order(kind), strict=True):
        assert section.attributes["id"] == terms.local_name(field.path)
        assert field.labels[tag] in section.text
        assert field.help[tag] in section.text
        assert {field.name, field.path} <= {each.text for each in section.inside if each.tag == "code"}
        hrefs = [each.attributes["href"] for each in section.inside if each.tag == "a"]
        lists = [VOCABULARY.schemes[iri].name for iri in (*field.schemes, field.code_list) if iri in VOCABULARY.schemes]
        expected = [f"/vocab/list/{name}?lang={tag}" for name in lists]
        expected += [f"/vocab/kind/{name}?lang={tag}" for name in (*field.refers_to, field.part) if name]
        assert set(expected) <= set(hrefs)
    for superclass in terms.statements(FOLDER).superclasses(kind.iri):
        assert superclass in page.one("main").text


def _in_order(kind):
    order = VOCABULARY.groups
    grouped = sorted(kind.fields, key=lambda each: order[each.group][0] if each.group in order else 99)
    return [*grouped, *kind.restricted]


def test_a_field_says_what_it_holds_and_how_often(site: Site):
    sections = {
        each.attributes["id"]: texts_of([d for d in each.inside if d.tag == "dd"])
        for each in Page(site.page("/vocab/kind/pilot")).all("section", class_="term")
    }
    assert sections["title"][:2] == ["Text, once for each language", "Needed"]
    assert sections["status"][:3] == ["Concept of a code list", "Advised, one value", "Status"]
    assert sections["procurer"][:2] == ["Another record: Organisation", "Needed, one or several values"]
    assert sections["observation"][:2] == ["Part of the record: Figure", "Optional, one or several values"]
    assert sections["issued"][:2] == ["Moment in time", "Filled in by the node, one value"]


def test_every_type_of_field_has_a_name(site: Site):
    types = {field.type for field in VOCABULARY.every_field()}
    assert types <= set(FieldType)
    source = (Path(terms.__file__).parent / "templates" / "vocabulary-kind.html").read_text()
    assert [each.name for each in FieldType if f'"{each.name}": _("' not in source] == []


def test_where_one_of_several_fields_will_do_the_page_says_so(site: Site):
    kind = next(each for each in KINDS.values() if each.any_of)
    page = Page(site.page(f"/vocab/kind/{kind.name}"))
    sentence = next(each for each in page.all("p") if each.text.startswith("At least one of these"))
    assert [each.attributes["href"] for each in sentence.inside] == [
        f"/vocab/kind/{kind.name}#{terms.local_name(path)}" for path in kind.any_of[0]
    ]


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("scheme", LISTS.values(), ids=lambda scheme: scheme.name)
def test_the_page_of_a_list_has_every_concept_at_its_code(site: Site, scheme, tag: str):
    page = translated(f"/vocab/list/{scheme.name}", tag, site)
    assert page.one("h1").text == scheme.labels[tag]
    items = {each.attributes["id"]: each for each in page.all("li") if "id" in each.attributes}
    assert set(items) == {each.code for each in (*scheme.concepts.values(), *scheme.collections)}
    by_code = {each.code: each for each in scheme.concepts.values()}
    for code, concept in by_code.items():
        item = items[code]
        names = (concept.labels[tag], concept.definition.get(tag, ""), *concept.alternatives.get(tag, ()))
        assert [name for name in names if name not in item.text] == []
        hrefs = [unquote(each.attributes["href"]) for each in item.inside if each.tag == "a"]
        for iri in (*concept.matches, *concept.broader):
            other = VOCABULARY.concepts.get(iri)
            listed = other and f"/vocab/list/{VOCABULARY.schemes[other.scheme].name}?lang={tag}#{other.code}"
            assert iri in scheme.concepts or (listed or iri) in hrefs
    assert bool(page.all("details")) == (len(scheme.concepts) > FOLDED)


@pytest.mark.parametrize("scheme", LISTS.values(), ids=lambda scheme: scheme.name)
def test_narrower_concepts_stand_below_the_broader_one(site: Site, scheme):
    page = Page(site.page(f"/vocab/list/{scheme.name}"))
    items = {each.attributes["id"]: each for each in page.all("li") if "id" in each.attributes}
    for concept in scheme.concepts.values():
        for iri in concept.broader:
            if iri in scheme.concepts:
                assert items[concept.code] in items[scheme.concepts[iri].code].inside


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_page_of_terms_has_every_class_and_property_at_its_local_name(site: Site, tag: str):
    page = translated("/vocab/ns", tag, site)
    sections = {each.attributes["id"]: each for each in page.all("section", class_="term")}
    declared = {iri for iri in terms.statements(FOLDER).declared() if iri.startswith(PC)}
    assert declared
    for iri in (*declared, *VOCABULARY.by_property, *VOCABULARY.by_class):
        assert iri in sections[terms.local_name(iri)].text
    for iri, kind in VOCABULARY.by_class.items():
        assert kind.shape in sections[terms.local_name(iri)].text


def test_every_link_from_page_to_page_leads_to_an_anchor(site: Site):
    anchors: dict[str, set[str]] = {}
    links: set[str] = set()
    for path in ("/vocab/", *EXPLAINED):
        page = Page(site.page(path))
        anchors[path] = set(names_in(page))
        links |= {
            link if link.startswith("/") else path + link for link in page.links if link.startswith(("/vocab/", "#"))
        }
    for link in links:
        path, _, anchor = link.partition("#")
        if path in anchors:
            assert not anchor or unquote(anchor) in anchors[path], link
        else:
            assert site.get(path).status == 200, link


# Linked data


def triples_of(answer: Answer, form: ox.RdfFormat) -> set[ox.Triple]:
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    dataset = ox.Dataset(ox.parse(answer.body, format=form))
    dataset.canonicalize(ox.CanonicalizationAlgorithm.RDFC_1_0)
    return {quad.triple for quad in dataset}


@pytest.mark.parametrize("path", EXPLAINED)
def test_turtle_and_json_ld_hold_the_same_statements_by_suffix_and_by_accept(site: Site, path: str):
    by_form = []
    for suffix, (media_type, form) in FORMS.items():
        named, asked = site.get(path + suffix), site.get(path, accept=media_type)
        assert named.media_type == asked.media_type == media_type
        assert named.body == asked.body
        assert "Accept" in asked.headers["Vary"]
        by_form.append(triples_of(named, form))
    assert by_form[0] == by_form[1] != set()


def test_the_document_of_terms_declares_every_class_and_property_and_the_ontology(site: Site):
    subjects = {str(each.subject) for each in triples_of(site.get("/vocab/ns.ttl"), ox.RdfFormat.TURTLE)}
    assert {f"<{iri}>" for iri in terms.statements(FOLDER).declared()} == subjects
    assert f"<{PC.rstrip('#')}>" in subjects


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_document_of_a_kind_holds_its_shape_and_every_field(site: Site, kind):
    found = triples_of(site.get(f"/vocab/kind/{kind.name}.ttl"), ox.RdfFormat.TURTLE)
    said = {(str(each.subject), each.predicate.value.rpartition("#")[2], str(each.object)) for each in found}
    assert (f"<{kind.shape}>", "targetClass", f"<{kind.iri}>") in said
    assert {field.path for field in kind.fields} <= {value[1:-1] for _, what, value in said if what == "path"}
    languages = {each.object.language for each in found if each.predicate.value.endswith("#description")}
    assert languages == set(LANGUAGES)


@pytest.mark.parametrize("scheme", LISTS.values(), ids=lambda scheme: scheme.name)
def test_the_document_of_a_list_holds_the_list_and_every_concept_and_group(site: Site, scheme):
    found = triples_of(site.get(f"/vocab/list/{scheme.name}.ttl"), ox.RdfFormat.TURTLE)
    groups = [group.iri for group in scheme.collections]
    assert {each.subject.value for each in found} == {scheme.iri, *scheme.concepts, *groups}


def test_the_page_of_a_list_shows_its_groups_with_their_members(site: Site):
    text = site.get("/vocab/list/sector?lang=nl").body.decode()
    (group,) = re.findall(r'<li id="interiors">.*?</li>', text, re.DOTALL)
    assert "Meubilair en interieur" in group
    assert re.findall(r'href="[^"]*#([^"]+)"', group)[1:] == [
        "flooring",
        "furniture-office",
        "furniture-school",
        "lighting",
        "signage",
    ]


def test_a_browser_gets_a_page_and_so_does_who_does_not_mind(site: Site):
    for accept in ("text/html,application/xhtml+xml,*/*;q=0.8", "*/*", ""):
        assert site.get("/vocab/kind/pilot", accept=accept).media_type == "text/html"
    assert site.get("/vocab/ns", accept="text/turtle;q=0.9, text/html;q=0.5").media_type == "text/turtle"
    assert site.get("/vocab/ns", accept="application/pdf").status == 406


def test_equal_vocabularies_give_equal_bytes():
    first = [terms.document(FOLDER, kind.shape, "text/turtle") for kind in KINDS.values()]
    terms.document.cache_clear()
    terms.statements.cache_clear()
    assert [terms.document(FOLDER, kind.shape, "text/turtle") for kind in KINDS.values()] == first


@pytest.mark.parametrize(
    "path", ["kind/nothing", "kind/Pilot", "kind/pilot.nt", "kind/", "list/nothing", "list/x.ttl", "ns.nt"]
)
def test_unknown_names_are_a_problem(site: Site, path: str):
    answer = site.get(f"/vocab/{path}")
    assert answer.status == 404
    assert answer.media_type == "application/problem+json"
    assert answer.json["type"].endswith("not-found")


# The diagram


def drawing(tag: str) -> diagram.Diagram:
    return diagram.draw(VOCABULARY.authored, lambda kind: kind.labels[tag])


def points_on(arrow: diagram.Arrow) -> list[tuple[float, float]]:
    """Points along the curve of an arrow, and the tip of its head."""
    found = []
    for step in range(41):
        t = step / 40
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        found.append(tuple(sum(w * p[axis] for w, p in zip(weights, arrow.curve, strict=True)) for axis in (0, 1)))
    return [*found, arrow.head[0]]


def test_the_diagram_has_a_box_for_every_kind_and_an_arrow_for_every_reference(site: Site):
    svg = Page(site.page("/vocab/?lang=sv")).one("svg", role="group")
    boxes = [each for each in svg.inside if "data-kind" in each.attributes]
    assert [each.attributes["data-kind"] for each in boxes] == [kind.name for kind in VOCABULARY.authored]
    assert [each.attributes["href"] for each in boxes] == [f"/vocab/kind/{k.name}?lang=sv" for k in VOCABULARY.authored]
    for box, kind in zip(boxes, VOCABULARY.authored, strict=True):
        lines = [each.text for each in box.inside if each.tag == "tspan"]
        assert " ".join(lines) == kind.labels["sv"]
    drawn = [(e.attributes["data-from"], e.attributes["data-to"]) for e in svg.inside if "data-from" in e.attributes]
    names = {kind.name for kind in VOCABULARY.authored}
    expected = {(k.name, to) for k in VOCABULARY.authored for each in k.fields for to in each.refers_to if to in names}
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == expected


def test_the_diagram_can_be_read_without_seeing_it(site: Site):
    page = Page(site.page("/vocab/?lang=fr"))
    svg = page.one("svg", role="group")
    for name in (svg.attributes["aria-labelledby"], svg.attributes["aria-describedby"]):
        assert next(each for each in page.elements if each.attributes.get("id") == name).text.strip()
    assert [each.text for each in svg.inside if each.tag == "desc"] == [page.one("p", id="diagram-text").text]
    rows = [each for each in page.one("table", class_="references").inside if each.tag == "tr"][1:]
    assert [texts_of([cell for cell in row.inside if cell.tag in ("th", "td")]) for row in rows] == [
        [
            VOCABULARY.kinds[source].labels["fr"],
            VOCABULARY.kinds[target].labels["fr"],
            ", ".join(field.labels["fr"] for field in fields),
        ]
        for (source, target), fields in diagram.references(VOCABULARY.authored).items()
    ]


@pytest.mark.parametrize("tag", LANGUAGES)
def test_no_box_touches_another_and_every_label_fits_its_box(tag: str):
    drawn = drawing(tag)
    for a, b in itertools.combinations(drawn.boxes, 2):
        apart = (a.x + a.width < b.x, b.x + b.width < a.x, a.y + a.height < b.y, b.y + b.height < a.y)
        assert any(apart), (a.kind.name, b.kind.name)
    for box in drawn.boxes:
        assert 0 <= box.x <= box.x + box.width <= drawn.width
        assert 0 <= box.y <= box.y + box.height <= drawn.height
        assert max(len(text) for text in box.lines) * diagram.FONT * 0.6 <= box.width
        assert box.first_line - diagram.FONT >= box.y
        assert box.first_line + (len(box.lines) - 1) * diagram.LINE + diagram.FONT * 0.3 <= box.y + box.height


@pytest.mark.parametrize("tag", LANGUAGES)
def test_no_arrow_crosses_a_box_and_each_joins_its_two(tag: str):
    drawn = drawing(tag)
    boxes = {box.kind.name: box for box in drawn.boxes}
    for arrow in drawn.arrows:
        points = points_on(arrow)
        for x, y in points:
            assert 0 <= x <= drawn.width
            assert 0 <= y <= drawn.height
            assert not [b for b in drawn.boxes if b.x < x < b.x + b.width and b.y < y < b.y + b.height], arrow
        for (x, y), box in ((points[0], boxes[arrow.source]), (points[-1], boxes[arrow.target])):
            assert x in (box.x, box.x + box.width) or y in (box.y, box.y + box.height)
            assert box.x <= x <= box.x + box.width
            assert box.y <= y <= box.y + box.height


@pytest.mark.parametrize("tag", LANGUAGES)
def test_no_two_arrows_meet_a_box_at_the_same_place(tag: str):
    ends = [end for arrow in drawing(tag).arrows for end in (arrow.curve[0], arrow.head[0])]
    assert len(ends) == len(set(ends))


def test_a_drawing_of_nothing_is_empty():
    drawn = diagram.draw((), lambda kind: kind.name)
    assert (drawn.boxes, drawn.arrows) == ((), ())
