"""The configuration: every fault is named with what to do, and every setting explains itself."""

from __future__ import annotations

import ast
import inspect
import itertools
import os
from pathlib import Path

import pytest

from federation import config as configs
from federation import limits
from federation.config import Config, PeerConfig, load
from federation.errors import Fault, Misconfigured
from federation.limits import Limits
from federation.records.kinds import LANGUAGES
from federation.records.vocabulary import default_folder

NODES = sorted((Path(__file__).parents[1] / "nodes").glob("*/node.toml"))
GOOD = """
name = "flanders"
title = { en = "Flanders" }
base = "https://flanders.example"
data = "data"
"""


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch):
    for name in os.environ:
        if name.startswith("PROCIRC_"):
            monkeypatch.delenv(name)


@pytest.fixture
def written(tmp_path: Path):
    """Write node.toml and give its path."""

    def write(text: str) -> Path:
        path = tmp_path / "node.toml"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.fixture
def faults(written):
    """The faults of a configuration that must not be accepted."""

    def find(text: str) -> tuple[Fault, ...]:
        with pytest.raises(Misconfigured) as refused:
            load(written(text))
        assert refused.value.faults
        return refused.value.faults

    return find


def changed(**settings: str) -> str:
    """The good configuration with some lines replaced, added or, where empty, left out."""
    lines = dict(line.split(" = ", 1) for line in GOOD.strip().splitlines()) | settings
    return "\n".join(f"{name} = {value}" for name, value in lines.items() if value)


PEER = '[[peers]]\nname = "denmark"\nurl = "https://denmark.example"\n'


# What is read


def test_a_fingerprint_may_be_typed_with_or_without_spaces(written):
    digits = "0123456789abcdef" * 2
    config = load(written(GOOD + PEER + f'fingerprint = "{digits.upper()}"\n'))
    assert config.peers[0].fingerprint == " ".join(digits[at : at + 4] for at in range(0, 32, 4))


@pytest.mark.parametrize("fingerprint", ["x", "0123", "0123456789abcdef" * 3])
def test_a_fingerprint_that_is_none_is_refused(faults, fingerprint):
    (fault,) = faults(GOOD + PEER + f'fingerprint = "{fingerprint}"\n')
    assert fault.field == "peers.0.fingerprint"


def test_a_licence_is_an_address(faults):
    (fault,) = faults(GOOD + 'license = "CC BY"\n')
    assert fault.field == "license"


def test_a_pattern_is_never_shown_to_a_coordinator(faults):
    for text in (changed(name='"Flanders Region"'), changed(listen='"8080"'), GOOD + 'log_format = "xml"\n'):
        (fault,) = faults(text)
        assert "pattern" not in fault.message
        assert fault.remedy


def test_a_short_configuration_is_enough(written):
    config = load(written(GOOD))
    assert (config.name, config.did, config.host) == ("flanders", "did:web:flanders.example", "flanders.example")
    assert config.address == ("127.0.0.1", 8080)
    assert config.languages == LANGUAGES
    assert config.limits == Limits()


def test_paths_are_relative_to_the_file(written, tmp_path):
    config = load(written(changed(seeds='"records"', vocabulary='"../vocab"')))
    assert config.data == tmp_path / "data"
    assert config.seeds == tmp_path / "records"
    assert config.vocabulary == tmp_path / "../vocab"


def test_absolute_paths_stay_as_they_are(written):
    assert load(written(changed(data='"/srv/procirc"'))).data == Path("/srv/procirc")


def test_an_environment_variable_overrides_the_file(written, monkeypatch):
    monkeypatch.setenv("PROCIRC_LISTEN", "0.0.0.0:9000")
    assert load(written(changed(listen='"127.0.0.1:8080"'))).address == ("0.0.0.0", 9000)


def test_a_table_in_the_environment_is_json(written, monkeypatch):
    monkeypatch.setenv("PROCIRC_PEERS", '[{"name": "norway", "url": "https://norway.example"}]')
    assert [peer.name for peer in load(written(GOOD + PEER)).peers] == ["norway"]


def test_a_faulty_environment_variable_is_named(written, monkeypatch):
    monkeypatch.setenv("PROCIRC_LISTEN", "nonsense")
    with pytest.raises(Misconfigured) as refused:
        load(written(GOOD))
    assert [fault.field for fault in refused.value.faults] == ["listen"]


def test_a_table_in_the_environment_that_is_not_json_is_a_fault_and_no_failure(written, monkeypatch):
    monkeypatch.setenv("PROCIRC_PEERS", "[nonsense")
    with pytest.raises(Misconfigured):
        load(written(GOOD))


@pytest.mark.parametrize(
    ("listen", "address"), [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:8080", ("::1", 8080)), ("node:1", ("node", 1))]
)
def test_an_address_to_listen_on_is_a_host_and_a_port(written, listen, address):
    assert load(written(changed(listen=f'"{listen}"'))).address == address


def test_a_region_is_called_by_the_names_it_was_given(written):
    config = load(written(GOOD + PEER + 'title = { en = "Denmark", nl = "Denemarken" }\n'))
    assert config.region("flanders") == {"en": "Flanders"}
    assert config.region("denmark") == {"en": "Denmark", "nl": "Denemarken"}
    assert config.region("new-region") == {"en": "New Region"}


def test_a_configuration_cannot_be_changed_afterwards(written):
    config = load(written(GOOD))
    with pytest.raises(ValueError, match="frozen"):
        config.name = "other"


# What is refused


@pytest.mark.parametrize(
    ("text", "field", "near"),
    [
        (GOOD + 'lisen = "127.0.0.1:1"', "lisen", "listen"),
        (GOOD + 'langauge = "nl"', "langauge", "language"),
        (GOOD + "[limits]\nrequest_byte = 5000", "limits.request_byte", "request_bytes"),
        (GOOD + PEER + "evry = 5", "peers.0.evry", "every"),
        (GOOD + PEER + 'fingerprnt = "x"', "peers.0.fingerprnt", "fingerprint"),
    ],
)
def test_a_misspelt_setting_is_named_with_the_nearest_one(faults, text, field, near):
    (fault,) = faults(text)
    assert fault.field == field
    assert near in fault.remedy
    assert fault.file == "node.toml"


def test_a_setting_like_no_other_is_to_be_removed(faults):
    (fault,) = faults(GOOD + "qqqq = 1")
    assert fault.remedy == "Remove it."


@pytest.mark.parametrize("name", ["name", "title", "base", "data"])
def test_a_missing_setting_is_named(faults, name):
    (fault,) = faults(changed(**{name: ""}))
    assert (fault.field, fault.message) == (name, "This setting is required.")


def test_every_fault_is_listed_at_once(faults):
    found = faults(changed(name="", base='"nonsense"') + '\nlisen = "x"')
    assert {fault.field for fault in found} == {"name", "base", "lisen"}


@pytest.mark.parametrize(
    "base",
    [
        "https://flanders.example/",
        "https://flanders.example/path",
        "https://Flanders.example",
        "https://flanders.example?x=1",
        "https://flanders.example#x",
        "https://flanders.example?",
        "https://user@flanders.example",
        "https://flanders.example:0",
        "https://flanders.example:99999",
        "ftp://flanders.example",
        "flanders.example",
        "https://",
        "https://flanders example",
        "https://flanders.example\\u0000",
        " https://flanders.example",
        "",
    ],
)
def test_a_base_address_is_a_scheme_and_a_host_in_lower_case(faults, base):
    (fault,) = faults(changed(base=f'"{base}"'))
    assert fault.field == "base"


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ("nonsense", "no address"),
        ("postgresql+asyncpg://user@host:5x/name", "no address"),
        ("postgresql://user@host/name", "no driver"),
        ("mysql+aiomysql://user@host/name", "no driver"),
        ("postgresql+asyncpg://user@host/name?sslmode=require", "ssl=require"),
        ("postgresql+asyncpg://user:secret@host/name?application_name=x", "application_name"),
    ],
)
def test_an_address_of_a_database_that_no_driver_understands_is_refused(faults, database, said):
    (fault,) = faults(changed(database=f'"{database}"'))
    assert fault.field == "database"
    assert said in fault.message
    assert "secret" not in str(fault)


@pytest.mark.parametrize("query", ["", "?host=/run/postgresql", "?ssl=require", "?host=a:1&host=b:2"])
def test_an_address_of_postgresql_is_taken(written, query):
    database = f"postgresql+asyncpg://user@/name{query}"
    assert load(written(changed(database=f'"{database}"'))).database == database


def test_a_node_on_the_open_network_needs_https(faults):
    (fault,) = faults(changed(base='"http://flanders.example"'))
    assert "https://" in fault.message


def test_a_peer_needs_https_as_well(faults):
    (fault,) = faults(GOOD + PEER.replace("https", "http"))
    assert "http://denmark.example" in fault.message


def test_on_one_machine_plain_http_will_do(written):
    text = changed(base='"http://localhost:8101"', allow_private="true")
    assert load(written(text)).did == "did:web:localhost%3A8101"


@pytest.mark.parametrize("listen", ["8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "a b:80", "::1:80"])
def test_an_address_to_listen_on_that_is_none_is_refused(faults, listen):
    (fault,) = faults(changed(listen=f'"{listen}"'))
    assert fault.field == "listen"


@pytest.mark.parametrize("port", ["65536", "99999"])
def test_a_port_that_does_not_exist_is_refused(faults, port):
    (fault,) = faults(changed(listen=f'"127.0.0.1:{port}"'))
    assert fault.field == "listen"


def test_a_node_is_not_its_own_peer(faults):
    (fault,) = faults(GOOD + PEER.replace("denmark.example", "flanders.example"))
    assert "own peer" in fault.message


def test_two_peers_do_not_share_a_name(faults):
    (fault,) = faults(GOOD + PEER + PEER.replace("denmark.example", "norway.example"))
    assert "name of its own" in fault.message


def test_two_peers_do_not_share_an_address(faults):
    (fault,) = faults(GOOD + PEER + PEER.replace('"denmark"', '"norway"'))
    assert "denmark.example" in str(fault) or "address" in fault.message


def test_a_peer_does_not_have_this_nodes_name(faults):
    (fault,) = faults(GOOD + PEER.replace('"denmark"', '"flanders"'))
    assert "name of its own" in fault.message


@pytest.mark.parametrize("name", ["Flanders", "fl anders", "../x", "", "-x", "x" * 41, "é"])
def test_a_name_can_stand_in_an_address(faults, name):
    (fault,) = faults(changed(name=f'"{name}"'))
    assert fault.field == "name"


def test_a_language_that_is_not_offered_is_refused(faults):
    (fault,) = faults(changed(language='"xx"'))
    assert "xx" in fault.message


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("request_bytes = 0", "limits.request_bytes"),
        ("read_seconds = -1", "limits.read_seconds"),
        ('run_pages = "many"', "limits.run_pages"),
    ],
)
def test_a_limit_out_of_range_is_refused(faults, line, field):
    (fault,) = faults(GOOD + f"[limits]\n{line}")
    assert fault.field == field


@pytest.mark.parametrize("every", ["0", "86401", '"often"'])
def test_a_pace_out_of_range_is_refused(faults, every):
    (fault,) = faults(GOOD + PEER + f"every = {every}")
    assert fault.field == "peers.0.every"


@pytest.mark.parametrize("text", ["name = ", "[[peers", "name = 'a'\nname = 'b'", "{}"])
def test_what_is_not_toml_is_refused_with_its_place(written, text):
    with pytest.raises(Misconfigured, match=r"not TOML: .*\(at "):
        load(written(text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Misconfigured, match=r"nowhere\.toml") as refused:
        load(tmp_path / "nowhere.toml")
    assert "--config" in refused.value.remedy


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "node.toml"
    path.write_bytes(GOOD.encode() + b'contact = "\xff"')
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(path)


# What ships


def test_six_nodes_ship():
    assert len(NODES) == 6


@pytest.mark.parametrize("path", NODES, ids=lambda path: path.parent.name)
def test_every_shipped_node_can_be_read_and_says_what_it_is_in_every_language(path: Path):
    config = load(path)
    assert config.name == path.parent.name
    assert set(config.notice) == set(config.title) == set(LANGUAGES)
    assert all(text.strip() for text in config.notice.values())
    assert len(set(config.notice.values())) == len(LANGUAGES)
    assert config.seeds is not None
    assert list(config.seeds.glob("*.csv"))


def test_every_shipped_node_follows_all_others():
    for path in NODES:
        config = load(path)
        assert {peer.name for peer in config.peers} == {other.parent.name for other in NODES} - {config.name}
        assert all(set(peer.title) == set(LANGUAGES) for peer in config.peers)


def test_the_vocabulary_is_found_without_being_configured():
    assert (default_folder() / "procirc.ttl").exists()


# The models are the manual


def explained(source: str, model: str) -> set[str]:
    """The fields of a class that a docstring follows."""
    (body,) = [each.body for each in ast.parse(source).body if isinstance(each, ast.ClassDef) and each.name == model]
    return {
        field.target.id
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and str(text.value.value).endswith(".")
    }


@pytest.mark.parametrize(
    ("model", "name"),
    [(model, name) for model in (Config, PeerConfig, Limits) for name in model.model_fields],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_every_setting_is_explained_where_it_stands(model, name):
    module = limits if model is Limits else configs
    has_explanation = name in explained(inspect.getsource(module), model.__name__)
    assert has_explanation
