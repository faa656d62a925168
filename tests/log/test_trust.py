"""The one verifier: an honest log passes, every attack is named, and what is not understood is set aside."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.errors import (
    BadProof,
    FederationError,
    ForeignRecord,
    InvalidRecord,
    KeyMismatch,
    Mislabelled,
    NotCanonical,
    PeerError,
    PoisonGraph,
    UnknownKey,
    WrongPosition,
    WrongTime,
)
from federation.log import keys as key_events
from federation.log.keys import Declaration, Keys, fingerprint
from federation.log.trust import Claimed, Entry, Erased, Standing, claim_of, judge, leaves
from federation.records import proof
from federation.records.canonical import write
from federation.records.multikey import encode_public
from federation.records.proof import Proof, Signed, Signer
from tests.conftest import pilot
from tests.records.authoring import NAMING, NOW, VOCABULARY, complete

BASE, DID = NAMING.base, NAMING.did
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32))


def multikey(seed: int) -> str:
    return encode_public(key(seed).public_key())


KEYS = Keys(multikey(1), multikey(2))
SIGNER = Signer(DID, key(1))
STRANGER = Signer("did:web:stranger.example", key(9))
FIRST = Declaration(KEYS, 0, key_events.next_key_hash(multikey(3)))
INCEPTION = key_events.event(BASE, DID, FIRST, issued=NOW)


def body(slug: str, *, version: int = 1, **values: object) -> str:
    return write(complete(pilot(slug, **values), version=version))


def claim(position: int, text: str, *, signer: Signer = SIGNER, created: str = NOW) -> Claimed:
    """An entry as an honest node shows it."""
    return claim_of(position, proof.sign(text, signer, created=created).signed, VOCABULARY)


def honest() -> list[Claimed]:
    """The inception, two pilots, and a new version of the first."""
    bodies = [INCEPTION, body("mill"), body("lock"), body("mill", version=2)]
    return [claim(position, text) for position, text in enumerate(bodies)]


@pytest.fixture
def judged(checks) -> Callable[..., tuple[list[Entry], Standing]]:
    def judge_all(claims: Sequence[Claimed], standing: Standing | None = None, *, now: datetime = AT):
        return judge(claims, standing or Standing(DID, BASE), vocabulary=VOCABULARY, checks=checks, now=now)

    return judge_all


def test_an_honest_log_is_accepted(judged):
    entries, standing = judged(honest())
    assert [(each.kind, each.version, each.activity, each.quarantine) for each in entries] == [
        ("key-event", 1, "Create", ""),
        ("pilot", 1, "Create", ""),
        ("pilot", 1, "Create", ""),
        ("pilot", 2, "Update", ""),
    ]
    assert standing == Standing(DID, BASE, FIRST, 4, NOW)


def test_a_log_may_be_judged_in_pages(judged):
    claims = honest()
    first, standing = judged(claims[:2])
    second, standing = judged(claims[2:], standing)
    assert (first + second, standing) == judged(claims)


def test_no_entries_change_nothing(judged):
    assert judged([]) == ([], Standing(DID, BASE))


def test_the_leaves_are_those_of_the_proofs(judged):
    entries, _ = judged(honest())
    assert leaves(entries) == [each.verified.leaf for each in entries]
    assert len(set(leaves(entries))) == 4


def test_the_fingerprint_a_coordinator_confirmed_is_accepted(judged):
    seen = fingerprint(INCEPTION)
    assert re.fullmatch(r"([0-9a-f]{4} ){7}[0-9a-f]{4}", seen)
    assert judged(honest(), Standing(DID, BASE, expected=seen))[1].size == 4


def test_a_clock_a_little_ahead_is_forgiven(judged):
    assert judged(honest(), now=AT - timedelta(minutes=5))[1].size == 4


def altered(at: int, **members: object) -> list[Claimed]:
    claims = honest()
    claims[at] = claims[at]._replace(**members)
    return claims


def instead(at: int, other: Claimed) -> list[Claimed]:
    return [*honest()[:at], other, *honest()[at + 1 :]]


def resigned(at: int, *, signer: Signer = SIGNER, created: str = NOW) -> list[Claimed]:
    return instead(at, claim(at, honest()[at].signed.body, signer=signer, created=created))


def with_body(at: int, change: Callable[[str], str]) -> list[Claimed]:
    """The log with one body changed and signed anew by the node itself."""
    other = honest()[at]
    return altered(at, signed=proof.sign(change(other.signed.body), SIGNER, created=NOW).signed)


def with_proof(at: int, **members: object) -> list[Claimed]:
    signed = honest()[at].signed
    return altered(at, signed=Signed(signed.body, signed.proof._replace(**members)))


def foreign(text: str) -> str:
    """A body moved to the base address of somebody else."""
    return write_again(text.replace(BASE, "https://denmark.example"))


def write_again(text: str) -> str:
    return "".join(sorted(text.splitlines(keepends=True)))


def rotation(*, new: int = 3, signer: int | None = 3, sequence: int = 1, then: int = 6, **values: object) -> str:
    """A change of keys as an honest node declares it, or with something else about it."""
    declared = Declaration(
        Keys(multikey(new), multikey(7)), sequence, key_events.next_key_hash(multikey(then)), **values
    )
    made_by = None if signer is None else key(new if signer == 3 else signer)
    return key_events.event(BASE, DID, declared, issued=NOW, new=made_by)


EARLIER, LATER = "2026-11-22T08:59:59Z", "2026-11-22T09:05:01Z"
OTHER_KEYS = key_events.event(BASE, DID, Declaration(Keys(multikey(4), multikey(5)), 0, "0" * 64), issued=NOW)
ATTACKS: dict[str, tuple[Callable[[], list[Claimed]], type[FederationError]]] = {
    "a position is missing": (lambda: [*honest()[:1], *honest()[2:]], WrongPosition),
    "a position comes twice": (lambda: [*honest()[:2], *honest()[1:]], WrongPosition),
    "two entries change places": (lambda: [honest()[0], honest()[2], honest()[1]], WrongPosition),
    "the log does not begin at 0": (lambda: honest()[1:], WrongPosition),
    "a position is negative": (lambda: altered(0, position=-1), WrongPosition),
    "the publisher is somebody else": (
        lambda: with_body(1, lambda text: text.replace(f"<{DID}>", "<did:web:denmark.example>")),
        ForeignRecord,
    ),
    "the record lies under a foreign address": (lambda: with_body(1, foreign), ForeignRecord),
    "the address only begins like the node's": (
        lambda: with_body(1, lambda text: text.replace(BASE, BASE + ".evil.example")),
        ForeignRecord,
    ),
    "the record of a peer is replayed": (
        lambda: instead(1, claim(1, foreign(body("mill")), signer=STRANGER)),
        ForeignRecord,
    ),
    "another key signs": (lambda: resigned(1, signer=Signer(DID, key(9))), UnknownKey),
    "the log key signs a record": (lambda: resigned(1, signer=Signer(DID, key(2))), UnknownKey),
    "another node signs with the same key": (
        lambda: resigned(1, signer=Signer("did:web:b.example", key(1))),
        UnknownKey,
    ),
    "another key signs under the name of the known one": (
        lambda: with_proof(1, signature=proof.sign(body("mill"), STRANGER, created=NOW).signed.proof.signature),
        BadProof,
    ),
    "the body was altered": (
        lambda: altered(1, signed=honest()[1].signed._replace(body=body("mill", title="Molen"))),
        BadProof,
    ),
    "the proof is that of another entry": (
        lambda: with_proof(1, signature=honest()[2].signed.proof.signature),
        BadProof,
    ),
    "the time of the proof was altered": (lambda: with_proof(1, created="2026-11-22T09:00:01Z"), BadProof),
    "the time of the proof is none": (lambda: with_proof(1, created="today"), BadProof),
    "the signature is short": (lambda: with_proof(1, signature=bytes(63)), BadProof),
    "the log begins with a record": (lambda: [claim(0, body("mill"))], KeyMismatch),
    "the inception declares one key for both uses": (
        lambda: [
            claim(0, key_events.event(BASE, DID, Declaration(Keys(KEYS.record, KEYS.record), 0, "0" * 64), issued=NOW))
        ],
        KeyMismatch,
    ),
    "the inception is signed by a key it does not declare": (lambda: [claim(0, OTHER_KEYS)], UnknownKey),
    "the inception is not the first of its keys": (
        lambda: with_body(0, lambda text: text.replace('keySequence> "0"', 'keySequence> "1"')),
        KeyMismatch,
    ),
    "the inception declares a key that is none": (
        lambda: with_body(0, lambda text: text.replace(f'"{KEYS.log}"', '"z6Mk"')),
        KeyMismatch,
    ),
    "the inception commits to no next key": (
        lambda: with_body(
            0, lambda text: "".join(line for line in text.splitlines(keepends=True) if "nextKeyHash" not in line)
        ),
        KeyMismatch,
    ),
    "the keys change without the old key": (
        lambda: [*honest(), claim(4, rotation(), signer=Signer(DID, key(3)))],
        UnknownKey,
    ),
    "the keys change to one that was not announced": (lambda: [*honest(), claim(4, rotation(new=4))], KeyMismatch),
    "the keys change without the new key": (lambda: [*honest(), claim(4, rotation(signer=5))], KeyMismatch),
    "the keys change and nobody signs for the new one": (
        lambda: [*honest(), claim(4, rotation(signer=None))],
        KeyMismatch,
    ),
    "a change of keys is left out": (lambda: [*honest(), claim(4, rotation(sequence=2))], KeyMismatch),
    "the keys are declared again": (lambda: [*honest(), claim(4, INCEPTION)], KeyMismatch),
    "other keys are declared as the first ones": (lambda: [*honest(), claim(4, OTHER_KEYS)], KeyMismatch),
    "keys are called compromised in the future": (
        lambda: [*honest(), claim(4, rotation(compromised_from=5))],
        KeyMismatch,
    ),
    "keys are recovered that nobody confirmed": (
        lambda: [*honest(), claim(4, rotation(new=4, recovery=True), signer=Signer(DID, key(4)))],
        KeyMismatch,
    ),
    "the old key goes on after it was replaced": (
        lambda: [*honest(), claim(4, rotation()), claim(5, body("dike"))],
        UnknownKey,
    ),
    "an entry is older than the one before it": (lambda: resigned(2, created=EARLIER), WrongTime),
    "an entry is of the future": (lambda: resigned(3, created=LATER), WrongTime),
    "an update is called a creation": (lambda: altered(3, activity="Create"), Mislabelled),
    "a creation is called a deletion": (lambda: altered(1, activity="Delete"), Mislabelled),
    "the entry is said to be of another record": (lambda: altered(1, object=f"{BASE}/records/pilot/lock"), Mislabelled),
    "the entry is said to be of another time": (lambda: altered(1, published=EARLIER), Mislabelled),
    "the body is not canonical": (lambda: with_body(1, lambda text: text + text), NotCanonical),
    "the body holds blank nodes": (
        lambda: with_body(1, lambda text: f"{text}_:b0 <urn:p> <urn:o> .\n"),
        PoisonGraph,
    ),
    "the body describes two records": (
        lambda: with_body(1, lambda text: write_again(text + body("lock"))),
        InvalidRecord,
    ),
    "the kind and the address disagree": (
        lambda: with_body(1, lambda text: write_again(text.replace("/records/pilot/mill", "/records/lesson/mill"))),
        InvalidRecord,
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_by_its_name(attack, judged):
    claims, error = ATTACKS[attack]
    with pytest.raises(error) as refused:
        judged(claims())
    assert refused.value.detail


def test_another_fingerprint_than_the_confirmed_one_is_refused(judged):
    with pytest.raises(KeyMismatch, match="fingerprint"):
        judged(honest(), Standing(DID, BASE, expected=fingerprint(OTHER_KEYS)))


def test_a_log_that_goes_back_in_time_between_two_pages_is_refused(judged):
    _, standing = judged(honest()[:2])
    with pytest.raises(WrongTime):
        judged([claim(2, body("lock"), created=EARLIER)], standing)


def test_a_page_of_another_node_is_refused_as_a_whole(judged):
    with pytest.raises(ForeignRecord):
        judged(honest(), Standing("did:web:denmark.example", "https://denmark.example"))


def test_whoever_sends_a_bad_page_is_at_fault_and_not_we():
    for _, error in ATTACKS.values():
        assert error.fault_of == "peer" or issubclass(error, InvalidRecord)
        assert issubclass(error, PeerError | BadProof | NotCanonical | InvalidRecord)


# What is genuine but not understood is kept aside, and its neighbours stay


def unknown_kind(text: str) -> str:
    return write_again(
        text.replace("https://w3id.org/procirc/ns#Pilot", "https://w3id.org/procirc/ns#Bridge").replace(
            "/records/pilot/", "/records/bridge/"
        )
    )


def unknown_code(text: str) -> str:
    return write_again(text.replace("sector/furniture-office", "sector/furniture-of-the-moon"))


def unknown_property(text: str) -> str:
    subject = text.partition(" ")[0]
    return write_again(text + f'{subject} <https://w3id.org/procirc/ns#mood> "good" .\n')


def without_title(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if "terms/title" not in line)


NOT_UNDERSTOOD = {
    "an unknown kind": (unknown_kind, "unknown-kind: bridge"),
    "an unknown code": (unknown_code, "invalid-record: In of <https://w3id.org/procirc/ns#sector>"),
    "an unknown property": (unknown_property, "invalid-record: Closed of <https://w3id.org/procirc/ns#mood>"),
    "no title": (without_title, "invalid-record: MinCount of <http://purl.org/dc/terms/title>"),
}


@pytest.mark.parametrize("case", NOT_UNDERSTOOD)
def test_an_entry_that_is_not_understood_is_set_aside_and_its_neighbours_stay(case, judged):
    change, reason = NOT_UNDERSTOOD[case]
    claims = instead(1, claim(1, change(body("mill"))))[:3]
    entries, standing = judged(claims)
    assert entries[1].quarantine.startswith(reason)
    assert [each.quarantine for each in (entries[0], entries[2])] == ["", ""]
    assert standing.size == 3


def test_a_warning_sets_nothing_aside(judged):
    entries, _ = judged([*honest(), claim(4, body("weir", sector=None, strategy=None))])
    assert entries[4].quarantine == ""


def test_an_entry_set_aside_still_has_to_be_signed(judged):
    text = unknown_kind(body("mill"))
    forged = Proof(NOW, SIGNER.method, bytes(64))
    with pytest.raises(BadProof):
        judged(instead(1, claim(1, text)._replace(signed=Signed(text, forged))))


def test_an_entry_set_aside_has_its_leaf_in_the_tree(judged):
    entries, _ = judged(instead(1, claim(1, unknown_kind(body("mill")))))
    assert len(leaves(entries)) == 4


def test_a_change_of_keys_is_followed_by_entries_of_the_new_key(judged):
    new = Signer(DID, key(3))
    _, standing = judged([*honest(), claim(4, rotation()), claim(5, body("dike"), signer=new)])
    assert (standing.size, standing.keys) == (6, Keys(multikey(3), multikey(7)))


def test_any_number_of_changes_is_walked_one_by_one(judged):
    steps = [claim(4, rotation()), claim(5, rotation(new=6, signer=6, sequence=2, then=8), signer=Signer(DID, key(3)))]
    _, standing = judged([*honest(), *steps])
    assert (standing.declared.sequence, standing.keys.record) == (2, multikey(6))


def test_a_recovery_is_believed_once_its_fingerprint_was_confirmed(judged):
    text = rotation(new=4, recovery=True)
    step = claim(4, text, signer=Signer(DID, key(4)))
    _, standing = judged([*honest(), step], Standing(DID, BASE, recovered=fingerprint(text)))
    assert standing.keys.record == multikey(4)


def test_what_is_left_of_an_erased_entry_takes_its_place(judged):
    claims = honest()
    entries, standing = judged([claims[0], Erased(1, bytes(32)), *claims[2:]])
    assert (entries[1], standing.size) == (Erased(1, bytes(32)), 4)


def test_a_log_cannot_begin_with_an_erased_entry(judged):
    with pytest.raises(KeyMismatch):
        judged([Erased(0, bytes(32))])
