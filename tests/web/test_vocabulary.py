"""The vocabulary over HTTP: every file as it ships, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.records.vocabulary import default_folder
from tests.web.conftest import Site
from tests.web.markup import Page

FOLDER = default_folder()
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.suffix in (".ttl", ".jsonld"))


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_byte_for_byte(site: Site, name: str):
    answer = site.get(f"/vocab/{name}")
    assert answer.status == 200
    assert answer.body == (FOLDER / name).read_bytes()
    assert answer.media_type == ("text/turtle" if name.endswith(".ttl") else "application/ld+json")


def test_the_page_lists_every_file_and_every_kind(site: Site, vocabulary):
    page = Page(site.page("/vocab/"))
    assert {f"/vocab/{name}" for name in FILES} <= set(page.links)
    assert {kind.name for kind in vocabulary.authored} <= {each.attributes.get("id") for each in page.all("h2")}


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
