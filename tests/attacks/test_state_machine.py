"""Whatever happens to two nodes in whatever order: each is sound after every step, and they come together again.

Two real nodes follow each other and a simulated peer that may sign two histories. Hypothesis chooses what
happens to them; ``history`` says what must be seen then. A node that was cut off in the middle of
something may have done it or not, and never half of it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from federation import custody
from federation import node as nodes
from federation.config import Config, PeerConfig
from federation.errors import AlreadyExists, FederationError, NotFound, ReadOnly, WrongClock
from federation.guard import RESTORED
from federation.search import Request
from federation.store.rows import Log
from federation.sync import Pulled
from federation.web.connections import runner_of
from federation.workers import Tools
from tests.attacks.history import ERASURE, KEYS, RECORD, WITHDRAWAL, Event, History
from tests.attacks.invariants import assert_sound
from tests.conftest import START, FakeClock, TestNode, date_by, free_port, pilot
from tests.simulator import SimulatedPeer

ALL = bool(os.environ.get("PROCIRC_TEST_ALL"))
NAMES = ("flanders", "denmark")
PEER = "norway"
SLUGS = ("mill", "lock", "dike")
DATABASE = "node.sqlite"
TOLERANCE = timedelta(minutes=5)
TITLE = re.compile(r"Kanarie[0-9]+x")

names = st.sampled_from(NAMES)
slugs = st.sampled_from(SLUGS)
moments = st.integers(0, 60)
"""Milliseconds after which something is cut off."""
jumps = st.sampled_from([-100, -1, -0.05, 0.05, 1, 100])
"""Hours."""


@dataclass
class Backup:
    """A copy of a data directory, and how much of every log stood in it."""

    folder: Path
    sizes: dict[str, int]
    changes: int
    """Declarations of keys in its own log."""


@dataclass
class Site:
    """One node over its restarts: its configuration, its clock, and the process that runs now."""

    config: Config
    clock: FakeClock
    node: TestNode | None = None
    backups: list[Backup] = field(default_factory=list)
    started: int = 0

    @property
    def running(self) -> TestNode:
        assert self.node is not None
        return self.node


@dataclass
class Ground:
    """What every example begins with: addresses, and data directories that have been set up once."""

    folder: Path
    tools: Tools
    bases: dict[str, str]
    examples: int = 0

    def config(self, name: str, folder: Path) -> Config:
        others = [each for each in self.bases if each != name]
        return Config(
            name=name, title={"en": name}, base=self.bases[name], data=folder / name, allow_private=True,
            peers=[PeerConfig(name=each, url=self.bases[each]) for each in others],
        )  # fmt: skip

    async def set_up(self) -> None:
        for name in NAMES:
            config, clock = self.config(name, self.folder / "new"), FakeClock()
            await nodes.init(config, clock=clock, tools=self.tools)
            async with nodes.open_node(config, clock=clock, width=1, tools=self.tools) as opened:
                await opened.publisher.publish([pilot(SLUGS[0], title=f"Kanarie{NAMES.index(name)}x")])
                await opened.follower.catch_up()


class Federation(RuleBasedStateMachine):
    """Two nodes and a peer of both. ``logs`` is the truth about the two, ``branches`` what the peer has signed."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self.ground, self.tools = ground, ground.tools
        ground.examples += 1
        self.folder = ground.folder / str(ground.examples)
        shutil.copytree(ground.folder / "new", self.folder)
        self.runner = asyncio.Runner()
        self.logs = {name: History() for name in NAMES}
        for number, name in enumerate(NAMES):
            self.logs[name].events.append(Event(RECORD, SLUGS[0], f"Kanarie{number}x"))
        self.sites = {name: Site(ground.config(name, self.folder), FakeClock()) for name in NAMES}
        self.told = len(NAMES)
        self.failed = self.cut = self.truncated = self.jumped = False
        self.signed_until = dict.fromkeys(NAMES, START)
        self.latest = START
        self.peer_clock = FakeClock()
        self.simulated = SimulatedPeer(ground.bases[PEER], self.tools.vocabulary, self.peer_clock)
        self.branches = [self.simulated.entries]
        self.copies = 0
        self.servers = AsyncExitStack()
        self.do(self._begin())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something to its end; servers answer meanwhile."""
        try:
            return self.runner.run(work)
        except BaseException:
            self.failed = True
            raise

    # Starting and stopping

    async def _begin(self) -> None:
        async def nothing_seen(request: web.Request) -> web.Response:
            return web.json_response({"node": self.simulated.did, "logs": [], "forks": []})

        self.simulated.answering("/log/seen", nothing_seen)
        app = web.Application()
        app.router.add_get("/{path:.*}", self.simulated.handle)
        date_by(app, self.peer_clock)
        await self._listen(self.servers, app, self.simulated.base, web.AppRunner(app, access_log=None))
        for name in NAMES:
            await self._start(name)

    async def _listen(self, stack: AsyncExitStack, app: web.Application, base: str, runner: web.AppRunner) -> None:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", int(base.rpartition(":")[2])).start()

    async def _start(self, name: str) -> None:
        site, stack = self.sites[name], AsyncExitStack()
        opened = await stack.enter_async_context(
            nodes.open_node(site.config, clock=site.clock, width=1, tools=self.tools)
        )
        app = nodes.application(opened)

        @web.middleware
        async def line(request: web.Request, handler: Any) -> web.StreamResponse:
            if self.cut and request.transport is not None:
                request.transport.close()
            return await handler(request)

        app.middlewares.insert(0, line)
        date_by(app, site.clock)
        await self._listen(stack, app, site.config.base, runner_of(app))
        site.node = TestNode(opened, site.config.base, site.clock, app, stack.aclose)
        site.started += 1

    async def _stop(self, name: str) -> None:
        site = self.sites[name]
        if site.node is not None:
            await site.node.stop()
            site.node = None

    # What is held and what is to be seen

    def other(self, name: str) -> str:
        return next(each for each in NAMES if each != name)

    async def _sizes(self, name: str) -> dict[str, int]:
        """How much of every log a node shows."""
        held = {each.base: each.verified_size for each in await self.sites[name].running.node.store.logs()}
        return {each: held.get(base, 0) for each, base in self.ground.bases.items()}

    async def _behind(self, name: str) -> bool:
        """Whether a node holds less of its own log than it has signed."""
        return (await self._sizes(name))[name] < self.logs[name].size or bool(self._refuses(name))

    def _refuses(self, name: str) -> str:
        return self.sites[name].running.node.guard.reason()

    def title(self) -> str:
        self.told += 1
        return f"Kanarie{self.told}x"

    def _note(self, name: str, event: Event) -> None:
        self.logs[name].events.append(event)
        self.signed_until[name] = max(self.signed_until[name], self.sites[name].clock.now)

    # What authors do

    @rule(name=names, slug=slugs, again=st.booleans())
    def publish(self, name: str, slug: str, again: bool) -> None:
        """A new record, or a new version of it; ``again`` brings back one that was ended."""
        self.do(self._published(name, slug, again))

    async def _published(self, name: str, slug: str, again: bool) -> None:
        log, title = self.logs[name], self.title()
        known = log.current(log.size).get(slug)
        refused = self._refuses(name)
        publisher = self.sites[name].running.node.publisher
        try:
            outcome = await publisher.publish([pilot(slug, title=title)], reinstate=again)
        except WrongClock:
            assert self.jumped
            return
        except ReadOnly:
            assert refused
            return
        ended = known is not None and known.kind != RECORD and not again
        assert (bool(outcome.published), bool(outcome.unchanged)) == (not ended, ended)
        assert ended or not refused
        if not ended:
            assert outcome.published[0][1] == log.size, "it stands at the end of the log"
            self._note(name, Event(RECORD, slug, title))
        await self.sites[name].running.node.follower.catch_up()

    @rule(name=names, slug=slugs, kind=st.sampled_from([WITHDRAWAL, ERASURE]))
    def end(self, name: str, slug: str, kind: str) -> None:
        self.do(self._ended(name, slug, kind))

    async def _ended(self, name: str, slug: str, kind: str) -> None:
        log, node = self.logs[name], self.sites[name].running.node
        held = (await self._sizes(name))[name]
        known = log.current(held).get(slug)
        ending = node.own.withdraw if kind == WITHDRAWAL else node.own.erase
        refused = self._refuses(name)
        try:
            await ending(f"{node.config.base}/records/pilot/{slug}", {"nl": "Op verzoek."})
        except WrongClock:
            assert self.jumped
        except ReadOnly:
            assert refused
        except NotFound:
            assert known is None
        except AlreadyExists:
            # An erasure counts, whoever had the key: the text is gone everywhere.
            done = known or next(reversed(log.all_of(slug, held)))
            assert done.kind in (kind, ERASURE)
        else:
            # What a stolen key has published is not shown, and can be erased all the more.
            assert known is not None or (kind == ERASURE and log.all_of(slug, held))
            assert not refused
            self._note(name, Event(kind, slug))
        await node.follower.catch_up()

    @rule(name=names, stolen=st.booleans())
    def rotate(self, name: str, stolen: bool) -> None:
        """Change the keys; ``stolen`` hides the last entry signed with the old ones."""
        self.do(self._rotated(name, stolen))

    async def _rotated(self, name: str, stolen: bool) -> None:
        log, node = self.logs[name], self.sites[name].running.node
        first = log.size - 1 if stolen and log.size > 1 else None
        refused = self._refuses(name)
        try:
            await custody.rotate(node, None, compromised_from=first)
        except WrongClock:
            assert self.jumped
            return
        except FederationError:
            assert refused
            return
        assert not refused
        self._note(name, Event(KEYS, stolen_from=first))
        await node.follower.catch_up()

    # What the network does

    @rule(name=names)
    def pull(self, name: str) -> None:
        self.do(self._pulled(name))

    async def _pulled(self, name: str) -> None:
        owner, site = self.other(name), self.sites[name]
        before, there = (await self._sizes(name))[owner], (await self._sizes(owner))[owner]
        pulled = await self._pull(name, owner)
        if pulled.reason == "root-mismatch":
            assert self.truncated, "only what an owner lost can be left over"
            pulled = await self._pull(name, owner)
        after = (await self._sizes(name))[owner]
        early = self.signed_until[owner] > site.clock.now + TOLERANCE  # perhaps
        well = not self.cut and not early and there >= before and not await self._behind(owner)
        if well:
            assert pulled.state in ("active", "stale"), pulled
            assert after == there
        else:
            assert after in (before, there), pulled
            assert after >= before
        if self.cut:
            assert (pulled.state, after) == ("unreachable", before)

    async def _pull(self, name: str, owner: str) -> Pulled:
        node = self.sites[name].running
        if owner in NAMES:
            # A checkpoint that is asked for is signed anew when it is old.
            self.signed_until[owner] = max(self.signed_until[owner], self.sites[owner].clock.now)
        return await node.pull(self.ground.bases[owner], owner)

    @rule(name=names)
    def pull_the_peer(self, name: str) -> None:
        self.do(self._pull(name, PEER))

    @rule()
    def cut_the_line(self) -> None:
        self.cut = True

    @precondition(lambda self: self.cut)
    @rule()
    def heal_the_line(self) -> None:
        self.cut = False

    @rule(name=names, hours=jumps)
    def jump(self, name: str, hours: float) -> None:
        """The clock of one machine is set forward or back."""
        clock, self.jumped = self.sites[name].clock, True
        clock.forward(hours=hours)
        self.latest = max(self.latest, clock.now)

    # What the peer does

    @rule()
    def the_peer_publishes(self) -> None:
        self._peer_publishes()

    def _peer_publishes(self) -> None:
        self.peer_clock.now = max(self.latest, self.peer_clock.now)
        peer, shown = self.simulated, {each.record for each in self.simulated.entries}
        slug = next(f"away-{at}" for at in range(100) if f"{peer.base}/records/pilot/away-{at}" not in shown)
        peer.append(peer.body_of(pilot(slug, title=self.title())))

    @precondition(lambda self: len(self.branches) == 1 and len(self.simulated.entries) > 1)
    @rule()
    def the_peer_signs_a_second_history(self) -> None:
        self.branches.append(list(self.simulated.entries[:-1]))
        self.simulated.entries = self.branches[1]
        self._peer_publishes()

    @precondition(lambda self: len(self.branches) == 2)
    @rule(branch=st.integers(0, 1))
    def the_peer_shows(self, branch: int) -> None:
        self.simulated.entries = self.branches[branch]

    # What machines do

    @rule(name=names)
    def power_cut(self, name: str) -> None:
        """The files as they are while the node runs, and nothing of what it would still do."""
        self.do(self._power_cut(name))

    async def _power_cut(self, name: str) -> None:
        left = await self._copied(name)
        await self._stop(name)
        shutil.rmtree(self.sites[name].config.data)
        shutil.move(left, self.sites[name].config.data)
        await self._start(name)

    async def _copied(self, name: str) -> Path:
        self.copies += 1
        copy = self.folder / f"copy-{self.copies}"
        # By another process: one that closes a file of SQLite drops all its own locks on it.
        subprocess.run(["cp", "-r", str(self.sites[name].config.data), str(copy)], check=True)
        (copy / f"{DATABASE}-shm").unlink(missing_ok=True)
        return copy

    @rule(name=names, what=st.sampled_from([RECORD, ERASURE, KEYS, "pull", "index"]), slug=slugs, moment=moments)
    def interrupt(self, name: str, what: str, slug: str, moment: int) -> None:
        """The node is stopped in the middle of something."""
        self.do(self._interrupted(name, what, slug, moment))

    async def _interrupted(self, name: str, what: str, slug: str, moment: int) -> None:
        node, title = self.sites[name].running.node, self.title()
        before, refused = await self._sizes(name), self._refuses(name)
        record = f"{node.config.base}/records/pilot/{slug}"
        works: dict[str, tuple[Any, ...]] = {
            RECORD: (node.publisher.publish, [pilot(slug, title=title)]),
            ERASURE: (node.own.erase, record, {"nl": "Op verzoek."}),
            KEYS: (lambda: custody.rotate(node, None, compromised_from=None),),
            "pull": (self._pull, name, self.other(name)),
            "index": (node.follower.rebuild,),
        }
        work, *given = works[what]
        task = asyncio.ensure_future(work(*given))
        await asyncio.wait({task}, timeout=moment / 1000)
        task.cancel()
        with suppress(asyncio.CancelledError, FederationError):
            await task
        await self._stop(name)
        await self._start(name)
        after = await self._sizes(name)
        if what in (RECORD, ERASURE, KEYS) and after[name] > before[name]:
            assert after[name] == before[name] + 1 == self.logs[name].size + 1
            assert not refused
            known = {RECORD: Event(RECORD, slug, title), ERASURE: Event(ERASURE, slug), KEYS: Event(KEYS)}
            self._note(name, known[what])
        await self.sites[name].running.node.follower.catch_up()

    @rule(name=names)
    def back_up(self, name: str) -> None:
        self.do(self._backed_up(name))

    async def _backed_up(self, name: str) -> None:
        sizes = await self._sizes(name)
        changes = self.logs[name].changes(sizes[name])
        self.sites[name].backups.append(Backup(await self._copied(name), sizes, changes))

    @rule(name=names, which=st.integers(0, 3), how=st.sampled_from(["marked", "unmarked", "database"]))
    def restore(self, name: str, which: int, how: str) -> None:
        """An old copy of the data directory takes the place of the newer one.

        ``marked`` as ``procirc restore`` does it, ``unmarked`` by hand, ``database`` that file alone. By hand
        a node hears first what its peer holds, as a started one does; where that fails, the copy is marked.
        """
        backups = self.sites[name].backups
        if backups:
            self.do(self._restored(name, backups[which % len(backups)], how))

    async def _restored(self, name: str, backup: Backup, how: str) -> None:
        site, other = self.sites[name], self.other(name)
        witnessed = (await self._sizes(other))[name] == self.logs[name].size and not await self._behind(name)
        log, early = self.logs[name], self.signed_until[name] > site.clock.now
        if how == "database" and (self.cut or early or not witnessed):
            how = "marked"
        if how == "unmarked" and backup.changes != log.changes(log.size):
            # Signed by keys it does not know: without a mark it could not know that it is behind.
            how = "marked"
        await self._stop(name)
        self._put_back(site.config.data, backup.folder, how)
        await self._start(name)
        if how == "marked":
            return
        if how == "unmarked":
            pulled = await self._pull(name, other)
            if pulled.state not in ("active", "stale"):
                (site.config.data / RESTORED).write_text("{}")
                return
        await self._recovered(name)

    def _put_back(self, data: Path, copy: Path, how: str) -> None:
        for path in sorted(data.iterdir()):
            # Keys have a backup of their own, and no change of keys takes an old one away.
            if path.name != "keys" and (how != "database" or path.name.startswith(DATABASE)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in sorted(copy.iterdir()):
            if not (data / path.name).exists():
                (shutil.copytree if path.is_dir() else shutil.copyfile)(path, data / path.name)
        if how == "marked":
            (data / RESTORED).write_text("{}")

    @rule(name=names)
    def recover(self, name: str) -> None:
        self.do(self._recovered(name))

    async def _recovered(self, name: str) -> None:
        node = self.sites[name].running.node
        await node.recover()
        await node.follower.catch_up()
        own = (await self._sizes(name))[name]
        if self._refuses(name):
            return
        copied = (await self._sizes(self.other(name)))[name]
        assert own >= copied, "a node that writes again holds all that others hold of it"
        if own < self.logs[name].size:
            # Nobody has seen the rest: it is lost, and with it every copy that still has it.
            self.truncated = True
            del self.logs[name].events[own:]
            for site in self.sites.values():
                site.backups = [each for each in site.backups if each.sizes[name] <= own]

    # What is true after every step

    @invariant()
    def everything_is_sound(self) -> None:
        self.do(self._checked())

    async def _checked(self) -> None:
        late = FakeClock(max(self.latest, self.peer_clock.now))
        for name, site in self.sites.items():
            await assert_sound(replace(site.running, clock=late))
            logs = {each.base: each for each in await site.running.node.store.logs()}
            shown = {owner: await self._visible(name, logs.get(base)) for owner, base in self.ground.bases.items()}
            held = {owner: logs[base].verified_size if base in logs else 0 for owner, base in self.ground.bases.items()}
            for owner in NAMES:
                assert shown[owner] == self.logs[owner].visible(held[owner])
            await self._peer_copy(name)
            index = site.running.node.index
            if not index.soiled and {did: at for did, at in index.positions.items() if at} == {
                each.did: each.verified_size for each in logs.values() if each.verified_size
            }:
                titles = sorted(title for each in shown.values() for title in each.values())
                assert await self._indexed(name) == titles
                gone = {each for owner in NAMES for each in self.logs[owner].erased(held[owner])} - set(titles)
                assert not gone or self._places_of(name, gone) == ""

    async def _visible(self, name: str, log: Log | None) -> dict[str, str]:
        """Title by slug of the records of a log that a node shows."""
        store = self.sites[name].running.node.store
        entries = await store.of_kind(log.id, RECORD) if log is not None else []
        return {each.record.rsplit("/", 1)[-1]: TITLE.findall(each.signed.body)[0] for each in entries}

    async def _peer_copy(self, name: str) -> list[bytes]:
        """The leaves of the peer's log that a node shows: the beginning of one of its histories, never a mixture."""
        store = self.sites[name].running.node.store
        log = next((each for each in await store.logs() if each.base == self.simulated.base), None)
        leaves = await store.leaves(log.id, log.verified_size) if log is not None else []
        assert any(leaves == [each.leaf for each in branch[: len(leaves)]] for branch in self.branches)
        return leaves

    async def _indexed(self, name: str) -> list[str]:
        found = await self.sites[name].running.node.search.search(Request(limit=100))
        return sorted("".join(segment.text for segment in hit.title[1]) for hit in found.hits)

    def _places_of(self, name: str, texts: Iterable[str]) -> str:
        """Files of a data directory in which one of some texts stands."""
        wanted = [word for text in texts for word in ("-e", text)]
        data = str(self.sites[name].config.data)
        # By another process, as above.
        return subprocess.run(["grep", "-rlF", *wanted, data], capture_output=True, text=True, check=False).stdout

    # The end

    def teardown(self) -> None:
        try:
            if not self.failed:
                self.do(self._come_together())
        finally:
            self.runner.run(self._end())
            self.runner.close()
            shutil.rmtree(self.folder)

    async def _end(self) -> None:
        for name in NAMES:
            await self._stop(name)
        await self.servers.aclose()

    async def _come_together(self) -> None:
        """Healed, recovered and up to date, both nodes hold the same of both logs, and all of it."""
        self.cut = False
        for site in self.sites.values():
            site.clock.now = max(self.latest, self.peer_clock.now)
        for _ in range(2):
            for name in NAMES:
                for owner in (self.other(name), PEER):
                    await self._pull(name, owner)
                await self._recovered(name)
        for name in NAMES:
            assert self._refuses(name) == ""
            await self._pulled(name)
        roots = []
        for name in NAMES:
            held = {each.base: each.verified for each in await self.sites[name].running.node.store.logs()}
            roots.append([(held[self.ground.bases[each]].size, held[self.ground.bases[each]].root) for each in NAMES])
        assert roots[0] == roots[1] != []
        assert [size for size, _ in roots[0]] == [self.logs[name].size for name in NAMES]
        await self._checked()
        await self._fork_is_known()

    async def _fork_is_known(self) -> None:
        """Where the two nodes hold different histories of the peer, both say so."""
        first, second = [await self._peer_copy(name) for name in NAMES]
        if any(one != other for one, other in zip(first, second, strict=False)):
            for name in NAMES:
                node = self.sites[name].running
                state = (await node.node.store.peers.states())[(await node.log_of(self.simulated.base)).id]
                assert (state.state, state.reason) == ("forked", "forked")


@pytest.fixture
def ground(tmp_path: Path, tools: Tools) -> Ground:
    made = Ground(tmp_path, tools, {name: f"http://localhost:{free_port()}" for name in (*NAMES, PEER)})
    asyncio.run(made.set_up())
    return made


def test_whatever_happens_every_node_stays_sound_and_all_come_together_again(ground):
    run_state_machine_as_test(
        lambda: Federation(ground),
        settings=settings(
            max_examples=150 if ALL else 8,
            stateful_step_count=40 if ALL else 12,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
