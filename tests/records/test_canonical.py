"""The canonical text of a record: what the strict reader refuses, and what it lets through unchanged."""

from __future__ import annotations

import contextlib
import unicodedata

import pyoxigraph
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from federation.errors import FederationError, NotCanonical, PoisonGraph, TooLarge
from federation.records.canonical import (
    LEXICAL,
    MAX_BODY,
    MAX_LITERAL,
    MAX_TRIPLES,
    XSD,
    Literal,
    nodes_of,
    read,
    write,
)

FUZZ = settings(max_examples=400, deadline=None, derandomize=True)

GOOD = '<https://a.example/1> <https://a.example/p> "één"@nl .\n<https://a.example/1> <https://a.example/q> <urn:x> .\n'


def line(value: str) -> str:
    """A body of one statement with this object."""
    return f"<https://a.example/1> <https://a.example/p> {value} .\n"


def typed(text: str, datatype: str) -> str:
    return line(f'"{text}"^^<{XSD}{datatype}>')


def test_a_canonical_text_is_read_in_its_order():
    assert read(GOOD) == [
        ("https://a.example/1", "https://a.example/p", Literal("één", "", "nl")),
        ("https://a.example/1", "https://a.example/q", "urn:x"),
    ]


def test_writing_sorts_by_code_point_and_drops_duplicates():
    triples = [("urn:b", "urn:p", "urn:o"), ("urn:B", "urn:p", "urn:o"), ("urn:b", "urn:p", "urn:o")]
    assert write(triples) == "<urn:B> <urn:p> <urn:o> .\n<urn:b> <urn:p> <urn:o> .\n"


def test_writing_escapes_what_the_specification_escapes_and_nothing_else():
    text = Literal('\t\b\n\r\f"\\\x00\x1f\x7f é\u0085\u2028😀')
    assert write([("urn:s", "urn:p", text)]) == (
        '<urn:s> <urn:p> "\\t\\b\\n\\r\\f\\"\\\\\\u0000\\u001F\\u007F é\u0085\u2028😀" .\n'
    )


ALTERED = {
    "empty": "",
    "only a line feed": "\n",
    "not RDF at all": "record\n",
    "lines not sorted": "".join(reversed(GOOD.splitlines(keepends=True))),
    "a line twice": GOOD.splitlines(keepends=True)[0] + GOOD,
    "no line feed at the end": GOOD.removesuffix("\n"),
    "an empty line at the end": GOOD + "\n",
    "an empty line at the start": "\n" + GOOD,
    "CRLF": GOOD.replace("\n", "\r\n"),
    "a comment": "# hello .\n" + GOOD,
    "a byte order mark": "\ufeff" + GOOD,
    "two spaces": GOOD.replace("> <", ">  <", 1),
    "a tab": GOOD.replace("> <", ">\t<", 1),
    "no space before the full stop": GOOD.replace(" .\n", ".\n"),
    "a space after the full stop": GOOD.replace(" .\n", " . \n"),
    "two statements in a line": line("<urn:x> . <urn:s> <urn:p> <urn:o>"),
    "a named graph": line("<urn:x> <urn:graph>"),
    "a named graph after a text": line('"x" <urn:graph>'),
    "an escaped letter": line('"\\u00E9"'),
    "a long escape": line('"\\U0001F600"'),
    "an escape in lower case": line('"\\u001f"'),
    "a tab escaped as a number": line('"\\u0009"'),
    "a raw tab": line('"a\tb"'),
    "a raw delete": line('"a\x7fb"'),
    "an escaped apostrophe": line('"\\\'"'),
    "an unknown escape": line('"\\x"'),
    "an escape cut short": line('"\\"'),
    "a quote inside": line('"a"b"'),
    "a language tag in upper case": line('"x"@EN'),
    "a region in upper case": line('"x"@nl-BE'),
    "an empty language tag": line('"x"@'),
    "a language tag that is too long": line('"x"@abcdefghi'),
    "a base direction": line('"x"@ar--rtl'),
    "a language and a datatype": line(f'"x"@nl^^<{XSD}string>'),
    "plain text with its datatype": typed("x", "string"),
    "a relative datatype": line('"1"^^<integer>'),
    "a foreign datatype": typed("P1Y", "duration"),
    "a double": typed("1.0E0", "double"),
    "a relative IRI": line("<records/pilot/a>"),
    "an empty IRI": line("<>"),
    "an IRI with a space": line("<https://a.example/a b>"),
    "an escaped IRI": line("<https://a.example/\\u00E9>"),
    "an IRI with a quote": line('<https://a.example/">'),
    "an IRI with braces": line("<https://a.example/{id}>"),
    "a literal as subject": '"x" <urn:p> <urn:o> .\n',
    "a literal as predicate": '<urn:s> "x" <urn:o> .\n',
    "a relative subject": "<s> <urn:p> <urn:o> .\n",
    "a quoted triple": line("<<( <urn:s> <urn:p> <urn:o> )>>"),
    "a prefixed name": line("pc:Pilot"),
    "a bare number": line("12"),
    "text in form NFD": line('"e\u0301"'),
    "an IRI in form NFD": line("<https://a.example/e\u0301>"),
    "half a surrogate pair": line('"\ud800"'),
}


@pytest.mark.parametrize("case", ALTERED)
def test_a_text_that_is_not_canonical_is_refused(case):
    with pytest.raises(NotCanonical):
        read(ALTERED[case])


@pytest.mark.parametrize(
    "iri",
    [
        "https://a.example/100%",
        "https://a.example/%zz",
        "https://a.example:port/",
        "https://[a.example/",
        "https://a.example/[1]",
        "https://a.example/a#b#c",
        "https://a.example/\ue000",
    ],
)
def test_an_iri_that_no_rdf_parser_reads_is_refused(iri):
    with pytest.raises(NotCanonical):
        read(line(f"<{iri}>"))


@pytest.mark.parametrize(
    "body",
    [
        "_:c14n0 <urn:p> <urn:o> .\n",
        line("_:b0"),
        '_:b0 <urn:p> "x" .\n',
        line('"x" _:graph'),
    ],
)
def test_blank_nodes_are_refused_by_name(body):
    with pytest.raises(PoisonGraph):
        read(body)


def test_a_text_that_looks_like_a_blank_node_is_a_text():
    assert read(line('"see _:b0 there"'))[0][2] == Literal("see _:b0 there")


REFUSED_FORMS = {
    "integer": ["01", "+1", "-0", "1.0", "", "1e3", "٣", "1234567890123456789"],
    "decimal": ["12.50", "1.0", "0.0", "-0", ".5", "5.", "+1", "01.5", "1e3", "1,5", ""],
    "boolean": ["1", "0", "True", "TRUE", "yes", ""],
    "dateTime": [
        "2026-11-22T10:00:00+00:00",
        "2026-11-22T10:00:00.000Z",
        "2026-11-22T10:00:00",
        "2026-11-22T24:00:00Z",
        "2026-11-22T10:00:60Z",
        "2026-11-22T10:00Z",
        "2026-11-22 10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-22T10:00:00z",
        "20261122T100000Z",
        "0000-01-01T00:00:00Z",
    ],
    "date": [
        "2026-02-29",
        "2026-02-30",
        "2026-13-01",
        "2026-00-10",
        "2026-1-1",
        "2026-11-22Z",
        "0000-01-01",
        "20261122",
    ],
    "gYearMonth": ["2026-13", "2026-00", "2026-1", "0000-01", "2026-11Z"],
    "gYear": ["0000", "26", "02026", "-0044", "2026Z", "٢٠٢٦"],
}
ACCEPTED_FORMS = {
    "integer": ["0", "-1", "12", "123456789012345678"],
    "decimal": ["0", "0.5", "-0.5", "12.5", "100", "-3", "0.123456789"],
    "boolean": ["true", "false"],
    "dateTime": ["2026-11-22T10:00:00Z", "2024-02-29T23:59:59Z", "0001-01-01T00:00:00Z"],
    "date": ["2024-02-29", "9999-12-31"],
    "gYearMonth": ["2026-11"],
    "gYear": ["2026", "0001"],
}


@pytest.mark.parametrize(("datatype", "text"), [(d, text) for d, texts in REFUSED_FORMS.items() for text in texts])
def test_a_form_that_some_store_rewrites_or_that_is_impossible_is_refused(datatype, text):
    with pytest.raises(NotCanonical):
        read(typed(text, datatype))


@pytest.mark.parametrize(("datatype", "text"), [(d, text) for d, texts in ACCEPTED_FORMS.items() for text in texts])
def test_a_form_that_every_store_keeps_is_read(datatype, text):
    assert read(typed(text, datatype))[0][2] == Literal(text, XSD + datatype)


def test_every_datatype_of_a_record_has_its_forms_tested():
    assert {XSD + name for name in REFUSED_FORMS} == set(LEXICAL) == {XSD + name for name in ACCEPTED_FORMS}


@pytest.mark.parametrize("character", ["\u0085", "\u2028", "\u2029", "\u00a0", "\u200b", "\ufeff", "\U0010fffd"])
def test_characters_that_split_or_vanish_elsewhere_survive_in_a_text(character):
    body = line(f'"a{character}b"@nl')
    assert write(read(body)) == body
    assert read(body)[0][2] == Literal(f"a{character}b", "", "nl")


@pytest.mark.parametrize("break_", ["\n", "\t", "\r", "\b", "\f", "\x1f"])
def test_an_accent_after_an_escaped_character_is_part_of_the_text(break_):
    text = Literal(f"a{break_}\u0301b\u0323")
    text = text._replace(value=unicodedata.normalize("NFC", text.value))
    assert read(write([("urn:s", "urn:p", text)])) == [("urn:s", "urn:p", text)]


def body_of_bytes(size: int) -> str:
    """A valid body of exactly this many bytes."""
    lines = [f'<urn:s> <urn:p> "{at:02}{"x" * 30_000}" .\n' for at in range(size // 30_100)]
    rest = size - len("".join(lines)) - len('<urn:s> <urn:q> "" .\n')
    return "".join([*lines, f'<urn:s> <urn:q> "{"x" * rest}" .\n'])


def test_a_body_of_exactly_the_largest_size_is_read():
    body = body_of_bytes(MAX_BODY)
    assert len(body.encode()) == MAX_BODY
    assert write(read(body)) == body


def test_a_body_of_one_byte_more_is_refused():
    with pytest.raises(TooLarge, match="131,072 bytes"):
        read(body_of_bytes(MAX_BODY + 1))


def test_the_size_of_a_body_counts_bytes_and_not_characters():
    body = body_of_bytes(MAX_BODY).replace("x", "é", 1)
    assert len(body) == MAX_BODY
    with pytest.raises(TooLarge):
        read(body)


def body_of_triples(count: int) -> str:
    return "".join(f"<a:b> <a:c> <a:{at:04}> .\n" for at in range(count))


def test_a_body_of_exactly_the_most_statements_is_read():
    assert len(read(body_of_triples(MAX_TRIPLES))) == MAX_TRIPLES == 5_000


def test_a_body_of_one_statement_more_is_refused():
    with pytest.raises(TooLarge, match="5,000 statements"):
        read(body_of_triples(MAX_TRIPLES + 1))


@pytest.mark.parametrize("letter", ["x", "é", "€", "😀"])
def test_a_text_of_exactly_the_largest_size_is_read(letter):
    text = letter * (MAX_LITERAL // len(letter.encode())) + "x" * (MAX_LITERAL % len(letter.encode()))
    assert len(text.encode()) == MAX_LITERAL == 32 * 1024
    assert read(line(f'"{text}"'))[0][2] == Literal(text)


@pytest.mark.parametrize("letter", ["x", "é", "€", "😀"])
def test_a_text_of_one_byte_more_is_refused(letter):
    text = letter * (MAX_LITERAL // len(letter.encode())) + "x" * (MAX_LITERAL % len(letter.encode()) + 1)
    with pytest.raises(TooLarge, match="32,768 bytes"):
        read(line(f'"{text}"@nl'))


def test_the_size_of_a_text_counts_its_characters_and_not_their_escapes():
    text = "\n" * MAX_LITERAL
    assert read(write([("urn:s", "urn:p", Literal(text))]))[0][2] == Literal(text)


NFC_TEXT = st.text(st.characters(codec="utf-8"), max_size=60).map(lambda text: unicodedata.normalize("NFC", text))
IRIS = st.text("abcåøé0123456789-._~/?&=", min_size=1, max_size=20).map(lambda path: f"https://a.example/{path}")
LANGUAGES = st.sampled_from(["en", "nl", "nb", "nn-no", "zh-hant", "sr-latn-rs"])
LITERALS = st.one_of(
    NFC_TEXT.map(Literal),
    st.builds(Literal, NFC_TEXT, st.just(""), LANGUAGES),
    st.integers(-(10**17), 10**17).map(lambda number: Literal(str(number), XSD + "integer")),
    st.dates().map(lambda day: Literal(day.isoformat(), XSD + "date")),
    st.booleans().map(lambda answer: Literal(str(answer).lower(), XSD + "boolean")),
)
TRIPLES = st.tuples(IRIS, IRIS, st.one_of(IRIS, LITERALS))


@FUZZ
@given(st.lists(TRIPLES, min_size=1, max_size=12))
def test_reading_what_was_written_gives_the_same_statements(triples):
    body = write(triples)
    assert set(read(body)) == set(triples)
    assert write(read(body)) == body


@FUZZ
@given(st.text(max_size=200))
def test_arbitrary_text_raises_only_what_a_caller_may_meet(text):
    for body in (text, text + " .\n", line(f'"{text}"'), line(f"<{text}>")):
        with contextlib.suppress(FederationError):
            read(body)


@FUZZ
@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_a_body_with_one_other_character_is_refused_or_means_something_else(place, character):
    body = GOOD[:place] + character + GOOD[place + 1 :]
    assume(body != GOOD)
    try:
        triples = read(body)
    except FederationError:
        return
    assert write(triples) == body
    assert triples != read(GOOD)


@FUZZ
@given(st.text(st.sampled_from("ab:/?#[]@!%2Fé\ue000\x80 <\\"), max_size=12).map("https://a.example".__add__))
def test_an_iri_that_is_read_is_one_for_every_rdf_parser(iri):
    body = line(f"<{iri}>")
    try:
        read(body)
    except NotCanonical:
        return
    assert [quad.object.value for quad in pyoxigraph.parse(body, format=pyoxigraph.RdfFormat.N_QUADS)] == [iri]


@pytest.mark.parametrize("subjects", [99, 100, 101, 250])
def test_a_body_of_many_subjects_reads_like_one_of_few(subjects: int):
    lines = sorted(f"<urn:s:{number}> <urn:p:{at}> <urn:o> .\n" for number in range(subjects) for at in range(3))
    nodes = nodes_of("".join(lines))
    assert [(node, path) for node, said in nodes.items() for path, _ in said] == [
        (line.split("> <")[0][1:], line.split("> <")[1]) for line in lines
    ]
    swapped = [*lines[:-1]]
    swapped.insert(len(lines) - 4, lines[-1])
    for wrong in ([*lines, lines[-1]], swapped, [*lines[:-1], lines[-1].replace("urn:o>", "urn:o")]):
        with pytest.raises(NotCanonical):
            nodes_of("".join(wrong))
