"""``/metrics``: what it tells, and whom."""

from __future__ import annotations

import re

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from federation.sync import STATES as FAILED
from federation.web.metrics import STATES
from tests.conftest import pilot, simulated_peer
from tests.web.conftest import HOSTILE, Site


def read(text: str) -> dict[tuple[str, str], float]:
    """Every sample by its name and the values of its labels."""
    families = text_string_to_metric_families(text)
    return {(each.name, ",".join(each.labels.values())): each.value for some in families for each in some.samples}


async def scraped(node, **headers: str) -> dict[tuple[str, str], float]:
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/metrics", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return read(await answer.text())


async def test_a33_metrics_tell_how_far_every_log_is_verified_and_indexed(start_node, peer, clock):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill", "lock")
    await node.pull(peer, name="peer0")
    await node.publish(pilot("own"))
    clock.forward(minutes=5)
    log = await node.log_of(peer)
    await node.node.store.peers.update(log.id, claimed_size=10)
    found = await scraped(node)
    assert found["procirc_log_verified_entries", "peer0"] == 3
    assert found["procirc_log_indexed_entries", "peer0"] == 3
    assert found["procirc_peer_unverified_entries", "peer0"] == 7
    assert found["procirc_peer_success_age_seconds", "peer0"] == 300
    assert found["procirc_log_verified_entries", "flanders"] == 2
    assert found["procirc_log_unindexed_entries", "flanders"] == 1
    assert found["procirc_published_entries_total", ""] == 1
    assert found["procirc_index_documents", ""] == 2
    assert found["procirc_read_only", ""] == 0
    await node.node.catch_up()
    assert (await scraped(node))["procirc_log_unindexed_entries", "flanders"] == 0


async def test_a33_metrics_tell_the_state_of_every_peer_and_what_is_kept_aside(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    peer.publish("mill", "lock")
    peer.publish("lock", version=1)
    await node.pull(peer, name="peer0")
    found = await scraped(node)
    assert found["procirc_log_quarantined_entries", "peer0"] == 1
    assert {state: found["procirc_peer_state", f"peer0,{state}"] for state in STATES if state == "active"} == {
        "active": 1
    }
    assert sum(value for (name, _), value in found.items() if name == "procirc_peer_state") == 1
    assert set(FAILED.values()) < set(STATES)
    node.node.guard.stop("entries are missing")
    assert (await scraped(node))["procirc_read_only", ""] == 1


async def test_a_peer_that_was_never_reached_is_infinitely_old(start_node, peer):
    node = await start_node("flanders", peers=[peer.base])
    await node.node.store.enlist(did=node.config.peers[0].did, base=peer.base, name="peer0", own=False)
    assert (await scraped(node))["procirc_peer_success_age_seconds", "peer0"] == float("inf")


async def test_requests_are_counted_by_route_and_class_of_status(start_node):
    node, other = await start_node("flanders"), await start_node("denmark")
    async with aiohttp.ClientSession() as session:
        for path in ("/records/pilot/one", "/records/pilot/two", "/no/such/path", "/another", "/api/peers"):
            await session.get(node.base + path)
    found = await scraped(node)
    assert found["procirc_request_seconds_count", "/records/{kind}/{slug},4xx"] == 2
    assert found["procirc_request_seconds_count", "other,4xx"] == 2
    assert found["procirc_request_seconds_count", "/api/peers,2xx"] == 1
    assert ("procirc_request_seconds_count", "/api/peers,2xx") not in await scraped(other), "each node counts its own"


def test_metrics_name_no_person_record_or_secret(site: Site):
    site.get("/records/pilot/mill?secret=1")
    site.post({}, token="not-the-token")
    text = site.get("/metrics").text
    for word in (site.token, "not-the-token", "secret", "mill", "127.0.0.1", "localhost", HOSTILE):
        assert word not in text
    labels = set(re.findall(r'(?:log|peer)="([^"]*)"', text))
    assert labels == {"flanders", "denmark"}


NEAR = [{}, {"X-Real-IP": "192.0.2.7"}]
FAR = [{"X-Forwarded-For": "192.0.2.7"}, {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=192.0.2.7"}]


@pytest.mark.parametrize("headers", NEAR)
async def test_this_machine_may_read_them(start_node, headers):
    await scraped(await start_node("flanders"), **headers)


@pytest.mark.parametrize("headers", FAR)
async def test_behind_a_proxy_that_is_not_trusted_only_the_token_may(start_node, headers):
    node = await start_node("flanders")
    async with aiohttp.ClientSession() as session:
        for authorization in ("", "Bearer wrong", "Basic x"):
            async with session.get(
                f"{node.base}/metrics", headers={**headers, "Authorization": authorization}
            ) as answer:
                assert (answer.status, "procirc_" in await answer.text()) == (401, False)
    token = (node.config.data / "api.token").read_text().strip()
    await scraped(node, **headers, Authorization=f"Bearer {token}")


async def test_a_trusted_proxy_says_whose_request_it_is(start_node):
    node = await start_node("flanders", trusted_proxies=["127.0.0.1"])
    await scraped(node, **{"X-Forwarded-For": "10.0.0.9"})
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{node.base}/metrics", headers={"X-Forwarded-For": "192.0.2.7"}) as answer,
    ):
        assert answer.status == 401


async def test_who_may_read_them_is_a_setting(start_node):
    node = await start_node("flanders", metrics_from=["192.0.2.0/24"])
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/metrics") as answer:
        assert answer.status == 401


async def test_every_metric_stands_in_the_coordinators_guide(start_node, peer):
    from tests.test_docs import ROOT

    node = await start_node("flanders", peers=[peer.base])
    await node.pull(peer, name="peer0")
    guide = (ROOT / "docs" / "coordinator.md").read_text("utf-8")
    async with aiohttp.ClientSession() as session, session.get(f"{node.base}/metrics") as answer:
        names = set(re.findall(r"^# TYPE (\S+)", await answer.text(), re.MULTILINE))
    assert not {name for name in names if not name.endswith("_created") and f"`{name}" not in guide}


async def test_a_region_that_moves_to_another_address_keeps_its_name_and_both_logs_are_shown(
    start_node, vocabulary, clock
):
    async with simulated_peer(vocabulary, clock) as old, simulated_peer(vocabulary, clock) as new:
        old.publish("mill", "weir")
        new.publish("mill", "lock")
        node = await start_node("flanders", peers=[old.base])
        await node.node.pull(node.config.peers[0])
        await node.stop()
        node = await start_node("flanders", peers=[new.base])
        await node.node.syncer.leave_all_but({each.did for each in await node.node.peers()})
        await node.node.pull(node.config.peers[0])
        await node.node.follower.catch_up()
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{node.base}/metrics") as answer:
                lines = [line.rpartition(" ")[0] for line in (await answer.text()).splitlines() if line[0] != "#"]
            for slug, home in (("mill", new.base), ("lock", new.base), ("weir", old.base)):
                async with session.get(f"{node.base}/peers/peer0/records/pilot/{slug}", headers=NQUADS) as answer:
                    assert (answer.status, home in await answer.text()) == (200, True)
        assert len(lines) == len(set(lines))
        assert (await scraped(node))["procirc_peer_state", "peer0,active"] == 1


NQUADS = {"Accept": "application/n-quads"}
