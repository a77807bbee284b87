"""Every NATS user can do its work and nothing else; a denial is an error at once and does not look like a time-out."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import nats
import pytest
import yaml

from ingest.shared.broker.bus import BusRefusedError
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.nats_files import NatsFiles
from ingest.shared.broker.permissions import STREAMS, USERS, Client, User, accounts, authorization, inbox_prefix
from ingest.shared.broker.topology import (
    ACCESSIBLE,
    CHANGE_REQUESTED,
    CHANGE_STREAM,
    CHANGES,
    DEAD_STREAM,
    EVENT_STREAM,
    FILES_BUCKET,
    GOVERNOR_BUCKET,
    INPUT_OF,
    LATER_STREAM,
    LEDGER,
    REQUESTED,
    WORK_STREAM,
    Topology,
    dead_subject,
    event_subject,
    files_spec,
    later_consumer,
    later_subject,
    run_settled_subject,
    run_subject,
)
from ingest.shared.errors import IngestError
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.jetstream import JetStreamHome
from ingest.shared.messages import Stage
from ingest.shared.pipeline import Service
from ingest.shared.runs.record import publish_recordings, settled
from ingest.shared.runs.verdict import Fate, Standing
from ingest.shared.runs.watch import Judge
from ingest.shared.video_state import VideoState
from tests.support.brokers import nats_with, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

AUDIO = INPUT_OF[Stage.ASR]
TRANSCRIPT = INPUT_OF[Stage.EMBEDDER]
STAGES: dict[User, tuple[Stage, ...]] = {
    Service.DOWNLOADER: (Stage.CHECK, Stage.DOWNLOAD),
    Service.ASR: (Stage.ASR,),
    Service.EMBEDDER: (Stage.EMBEDDER,),
}
RESULTS = {
    Stage.CHECK: (ACCESSIBLE,),
    Stage.DOWNLOAD: (AUDIO,),
    Stage.ASR: (TRANSCRIPT, ACCESSIBLE),
    Stage.EMBEDDER: (ACCESSIBLE,),
}
AT_ONCE_S = 2.0
STATEFULSET = Path(__file__).parents[3] / "charts" / "templates" / "nats" / "statefulset.yaml"
Login = "Callable[[User], NatsBus]"


@pytest.mark.parametrize("user", STAGES)
def test_a_service_can_do_all_its_work(login: Callable[[User], NatsBus], test_topology: Topology, user: User) -> None:
    admin, bus = login(Client.ADMIN), login(user)
    bus.provision(test_topology)
    for stage in STAGES[user]:
        admin.publish(INPUT_OF[stage], b"{}", f"in:{stage}")
        delivery = bus.fetch(stage, WORK_STREAM, 2.0)
        assert delivery is not None
        bus.keep_alive(delivery, 5.0)
        for subject in (*RESULTS[stage], event_subject(stage), dead_subject(stage), later_subject(stage)):
            bus.publish(subject, b"{}", f"out:{stage}:{subject}")
        bus.ack(delivery)
        waiting = bus.fetch(later_consumer(stage), LATER_STREAM, 2.0)
        assert waiting is not None
        bus.publish(INPUT_OF[stage], b"{}", f"woken:{stage}")
        bus.nak(waiting, 60.0)
    for stage in Stage:  # as its metrics want to know of all stages
        assert bus.lag(stage, WORK_STREAM).waiting >= 0
        assert bus.lag(later_consumer(stage), LATER_STREAM).waiting >= 0
        bus.oldest_at(stage, WORK_STREAM)
    assert bus.lag(LEDGER, EVENT_STREAM).waiting == len(STAGES[user])
    assert bus.stored(DEAD_STREAM) == len(STAGES[user])


def test_the_downloader_can_keep_the_state_of_its_governor_and_a_submitter_can_see_it(
    login: Callable[[User], NatsBus],
) -> None:
    bus = login(Service.DOWNLOADER)
    known = bus.read_key(GOVERNOR_BUCKET, "sites")
    assert bus.replace_key(GOVERNOR_BUCKET, "sites", b"{}", known.revision if known else 0)
    assert abs((bus.clock() - datetime.now(UTC)).total_seconds()) < 60
    seen = login(Client.SUBMIT).read_key(GOVERNOR_BUCKET, "sites")
    assert seen is not None
    assert seen.data == b"{}"


def test_the_embedder_can_keep_the_ledger(login: Callable[[User], NatsBus]) -> None:
    login(Client.ADMIN).publish("ingest.event.asr", b"{}", "event")
    bus = login(Service.EMBEDDER)
    delivery = bus.fetch(LEDGER, EVENT_STREAM, 2.0)
    assert delivery is not None
    bus.ack(delivery)
    assert bus.acknowledged(LEDGER, EVENT_STREAM) == delivery.sequence


def test_the_page_can_ask_for_a_change_and_the_embedder_takes_it(login: Callable[[User], NatsBus]) -> None:
    login(Client.ARCHIVE).publish(CHANGE_REQUESTED, b"{}", "wish")
    bus = login(Service.EMBEDDER)
    delivery = bus.fetch(CHANGES, CHANGE_STREAM, 2.0)
    assert delivery is not None
    bus.publish(REQUESTED, b"{}", "request")
    bus.publish(event_subject(Stage.CHECK), b"{}", "event")
    bus.ack(delivery)
    assert bus.stored(CHANGE_STREAM) == 0


def test_a_run_is_named_by_its_submitter_and_its_end_is_recorded_by_the_embedder(
    login: Callable[[User], NatsBus],
) -> None:
    publish_recordings(login(Client.SUBMIT), "a", {"abcdefghijk": 1}.items())
    bus = login(Service.EMBEDDER)
    found = Judge(bus, "a", lambda _: {"abcdefghijk": Standing(1, VideoState.FAILED)}).ask()
    assert found == {Fate.FAILED: 1}
    assert [settled(login(service), "a") for service in Service] == [found] * len(Service)


def test_a_submitter_can_ask_and_follow(login: Callable[[User], NatsBus]) -> None:
    bus = login(Client.SUBMIT)
    assert bus.fill(WORK_STREAM) == 0
    bus.publish(event_subject(Stage.CHECK), b"{}", "event")
    bus.publish(REQUESTED, b"{}", "request")
    assert [data for _, data in bus.read(WORK_STREAM, "ingest.>")] == [b"{}"]
    assert list(bus.read(LATER_STREAM, "ingest.later.*")) == []
    assert bus.after(EVENT_STREAM, "ingest.event.*", 0) == (1, b"{}")
    assert bus.lag(Stage.ASR, WORK_STREAM).waiting == 0


FOLDERS = {"videos", "voices", "workers", "trials", "others"}
WRITTEN: dict[User, set[str]] = {
    Service.DOWNLOADER: {"videos", "workers", "trials"},
    Service.ASR: FOLDERS - {"others"},
    Service.EMBEDDER: FOLDERS - {"others"},
    Client.ARCHIVE: set(),
    Client.SUBMIT: {"videos", "trials"},
    Client.ADMIN: FOLDERS,
}


def test_a_user_reads_the_files_of_a_volume_and_writes_its_folders(
    guarded: str, passwords: dict[User, str], login: Callable[[User], NatsBus], tmp_path: Path
) -> None:
    bucket = Topology((files_spec(FILES_BUCKET),), ())
    login(Client.ADMIN).wipe(bucket)
    login(Client.ADMIN).provision(bucket)
    large = bytes(2 << 20)
    for user in reversed(WRITTEN):
        options = BusOptions(guarded, f"test.{user}", user=user, password=passwords[user])
        files = NatsFiles(options, FILES_BUCKET)
        home = JetStreamHome(files, Cache(tmp_path / user, 1 << 20))
        if user is Client.ADMIN:
            home.put("others/large", large, None)
        assert home.get("others/large", len(large)) == large
        assert [entry.name for entry in home.list("")] == ["others/large"]
        for folder in FOLDERS - WRITTEN[user]:
            with pytest.raises(IngestError, match=f"check the permissions of NATS user {user}"):
                home.put(f"{folder}/a", b"1", None)
        for folder in WRITTEN[user]:
            home.put(f"{folder}/a", b"1", None)
            home.remove(f"{folder}/a")
        files.close()


FOREIGN: dict[User, tuple[str, ...]] = {
    Service.DOWNLOADER: (REQUESTED.replace("requested", "other"), CHANGE_REQUESTED, event_subject(Stage.ASR)),
    Service.ASR: (
        f"$JS.API.STREAM.DELETE.OBJ_{FILES_BUCKET}",
        run_subject("a"),
        run_settled_subject("a"),
        REQUESTED,
        dead_subject(Stage.CHECK),
        later_subject(Stage.DOWNLOAD),
        "$KV.ingest_governor.site",
    ),
    Service.EMBEDDER: (AUDIO, event_subject(Stage.ASR), "$KV.ingest_governor.site", CHANGE_REQUESTED, run_subject("a")),
    Client.ARCHIVE: (
        f"$JS.API.STREAM.PURGE.OBJ_{FILES_BUCKET}",
        *(REQUESTED, TRANSCRIPT, event_subject(Stage.CHECK), dead_subject(Stage.CHECK), "ingest.change.other"),
        *("$JS.API.INFO", f"$JS.API.STREAM.INFO.{WORK_STREAM}", f"$JS.API.STREAM.MSG.GET.{CHANGE_STREAM}"),
        f"$JS.ACK.{CHANGE_STREAM}.{CHANGES}.1.2.3.4.5",
    ),
    Client.SUBMIT: (
        run_settled_subject("a"),
        ACCESSIBLE,
        AUDIO,
        TRANSCRIPT,
        event_subject(Stage.EMBEDDER),
        dead_subject(Stage.CHECK),
    ),
    Client.ADMIN: (
        "elsewhere",
        "$KV.other.key",
        "$SYS.REQ.SERVER.PING",
        "$JS.API.STREAM.DELETE.OTHER",
        "$JS.API.STREAM.MSG.GET.INGEST_OTHER",
        "$JS.API.CONSUMER.CREATE.OTHER.one.ingest.video",
        "$JS.ACK.OTHER.one.1.2.3.4.5",
    ),
}


@pytest.mark.parametrize(("user", "subject"), [(user, subject) for user in FOREIGN for subject in FOREIGN[user]])
def test_what_is_not_its_work_is_denied_at_once(login: Callable[[User], NatsBus], user: User, subject: str) -> None:
    bus = login(user)
    began = time.monotonic()
    with pytest.raises(BusRefusedError, match=f"check the permissions of NATS user {user}"):
        bus.publish(subject, b"{}", "x")
    assert time.monotonic() - began < AT_ONCE_S


@pytest.mark.parametrize("user", [user for user in USERS if user is not Client.ADMIN])
def test_only_an_operator_changes_streams_and_reads_dead_letters(
    login: Callable[[User], NatsBus], test_topology: Topology, user: User
) -> None:
    admin = login(Client.ADMIN)
    admin.publish(dead_subject(Stage.ASR), b"{}", "letter")
    admin.publish(REQUESTED, b"{}", "request")
    assert admin.fetch(Stage.CHECK, WORK_STREAM, 5.0) is not None  # only consumers with such a message are reset
    bus = login(user)
    began = time.monotonic()
    for attempt in (
        lambda: list(bus.read(DEAD_STREAM, "ingest.dead.*")),
        lambda: bus.delete(WORK_STREAM, 1),
        lambda: bus.delete(DEAD_STREAM, 1),
        lambda: bus.wipe(test_topology),
        lambda: bus.reset_consumers(test_topology),
    ):
        with pytest.raises(BusRefusedError, match="ermissions"):
            attempt()
    assert time.monotonic() - began < 5 * AT_ONCE_S
    assert [data for _, data in login(Client.ADMIN).read(DEAD_STREAM, "ingest.dead.*")] == [b"{}"]


@pytest.mark.parametrize(
    ("user", "consumer", "stream"),
    [
        (Service.DOWNLOADER, Stage.ASR, WORK_STREAM),
        (Service.ASR, Stage.CHECK, WORK_STREAM),
        (Service.ASR, LEDGER, EVENT_STREAM),
        (Service.EMBEDDER, Stage.DOWNLOAD, WORK_STREAM),
        (Service.EMBEDDER, later_consumer(Stage.ASR), LATER_STREAM),
        (Client.SUBMIT, Stage.CHECK, WORK_STREAM),
        (Client.ARCHIVE, CHANGES, CHANGE_STREAM),
        (Service.ASR, CHANGES, CHANGE_STREAM),
    ],
)
def test_nobody_takes_the_messages_of_another_stage(
    login: Callable[[User], NatsBus], user: User, consumer: str, stream: str
) -> None:
    bus = login(user)
    began = time.monotonic()
    with pytest.raises(BusRefusedError, match="ermissions"):
        bus.fetch(consumer, stream, 5.0)
    assert time.monotonic() - began < AT_ONCE_S


@pytest.mark.parametrize(
    "subject", ["ingest.>", ">", "$JS.>", *(f"{inbox_prefix(user)}.>" for user in USERS if user is not Service.ASR)]
)
def test_nobody_hears_what_is_not_said_to_it(guarded: str, passwords: dict[User, str], subject: str) -> None:
    async def listen() -> str:
        denied: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def note(error: Exception) -> None:
            if not denied.done():
                denied.set_result(str(error))

        client = await nats.connect(guarded, user=Service.ASR, password=passwords[Service.ASR], error_cb=note)
        try:
            await client.subscribe(subject)
            await client.flush()
            return await asyncio.wait_for(denied, 5)
        finally:
            await client.close()

    assert "permissions violation for subscription" in asyncio.run(listen()).lower()


def test_a_stranger_is_not_let_in(guarded: str) -> None:
    with pytest.raises(BusRefusedError, match="refuses the login"):
        NatsBus(BusOptions(guarded, "stranger", user="asr", password="guess")).connect()  # noqa: S106 (a wrong one)


AIMED_AT = (REQUESTED, event_subject(Stage.CHECK), dead_subject(Stage.CHECK), f"$KV.{GOVERNOR_BUCKET}.youtube")


async def aim_replies(url: str, password: str, targets: tuple[str, ...]) -> None:
    """As the asr service: send requests whose replies go to the subjects of others, with a message of its own, too."""
    prefix = inbox_prefix(Service.ASR).encode()
    client = await nats.connect(url, user=Service.ASR, password=password, inbox_prefix=prefix)
    later = later_subject(Stage.ASR)
    pull = f"$JS.API.CONSUMER.MSG.NEXT.{LATER_STREAM}.{later_consumer(Stage.ASR)}"
    for number, target in enumerate(targets):
        await client.request(later, b'{"forged": true}', timeout=5, headers={"Nats-Msg-Id": f"forged:{number}"})
        await client.publish(pull, b'{"batch": 1, "no_wait": true}', reply=target)
        await client.publish(f"$JS.API.STREAM.INFO.{WORK_STREAM}", b"", reply=target)
        await client.publish(event_subject(Stage.ASR), b"{}", reply=target)
        await client.flush()
    await asyncio.sleep(1.0)
    await client.close()


def test_a_service_cannot_aim_replies_at_the_subjects_of_others(
    tmp_path: Path, passwords: dict[User, str], test_topology: Topology
) -> None:
    """The same requests reach all four subjects where all users share one account."""
    arrived = {}
    for block in (accounts, authorization):
        folder = tmp_path / block.__name__
        folder.mkdir()
        with nats_with(folder, block(quoted(passwords))) as url:
            options = BusOptions(url, "test", user=Client.ADMIN, password=passwords[Client.ADMIN])
            admin = NatsBus(options).connect()
            admin.provision(test_topology)
            asyncio.run(aim_replies(url, passwords[Service.ASR], AIMED_AT))
            others = set(STREAMS) - {LATER_STREAM}
            found = {stream: list(admin.read(stream, ">")) for stream in others}
            arrived[block] = sum(len(messages) for messages in found.values()) - len(AIMED_AT)  # its own events
            admin.close()
    assert arrived[accounts] == 0
    assert arrived[authorization] >= len(AIMED_AT)


def test_the_streams_of_one_account_move_with_their_messages_into_the_account_that_has_them_now(
    tmp_path: Path, passwords: dict[User, str], test_topology: Topology
) -> None:
    """An upgrade of the chart: its init container renames the folder before the server with the accounts starts."""
    (command,) = re.findall(r"command: (\[sh, -c, .*\])", STATEFULSET.read_text())
    program = [*yaml.safe_load(command)[:-1], str(tmp_path / "jetstream")]
    for block in (authorization, accounts, accounts):
        subprocess.run(program, check=True)
        for file in tmp_path.glob("*.ports"):
            file.unlink()
        with nats_with(tmp_path, block(quoted(passwords))) as url:
            options = BusOptions(url, "test", user=Client.ADMIN, password=passwords[Client.ADMIN])
            admin = NatsBus(options).connect()
            if block is authorization:
                admin.provision(test_topology)
                admin.publish(REQUESTED, b"kept", "kept")
                admin.replace_key(GOVERNOR_BUCKET, "sites", b"kept", 0)
            assert [data for _, data in admin.read(WORK_STREAM, "ingest.>")] == [b"kept"]
            entry = admin.read_key(GOVERNOR_BUCKET, "sites")
            assert entry is not None
            assert entry.data == b"kept"
            admin.provision(test_topology)
            admin.close()
