"""What only a bucket on NATS can do to a volume, or for it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from ingest.cli.local.nats_server import NATS_USER, EmbeddedNats
from ingest.shared.artifacts.home import TEMPORARY_PREFIX
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.broker import file_info
from ingest.shared.broker.nats_bus import NatsBus
from ingest.shared.broker.nats_connection import BusOptions
from ingest.shared.broker.nats_files import NatsFiles
from ingest.shared.broker.topology import UNLIMITED, Topology, files_spec
from ingest.shared.errors import Code, IngestError
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.jetstream import JetStreamHome
from ingest.shared.homes.jetstream_upload import upload
from tests.support.brokers import nats_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ingest.shared.broker.file_info import FileInfo

ID = "abcdefghijk"
MIB = 1 << 20


@pytest.fixture
def home(files: Callable[[], NatsFiles], tmp_path: Path) -> JetStreamHome:
    return JetStreamHome(files(), Cache(tmp_path / "copies", 100 * MIB))


def keep(home: JetStreamHome, file: Path, content: bytes = b"audio") -> str:
    file.write_bytes(content)
    return Volume(home).keep(ID, NewArtifact(file, "audio", "mp3", 1.0, "audio-1", 1)).path


def opened(url: str, tmp_path: Path, server: EmbeddedNats | None = None, bucket: str = "files") -> JetStreamHome:
    """Return a bucket on a server, which may be missing."""
    login = (NATS_USER, server.password) if server else (None, None)
    files = NatsFiles(BusOptions(url, "test.files", user=login[0], password=login[1]), bucket)
    return JetStreamHome(files, Cache(tmp_path / "copies", 100 * MIB))


@contextmanager
def made(
    url: str, tmp_path: Path, server: EmbeddedNats | None = None, max_bytes: int = UNLIMITED
) -> Iterator[JetStreamHome]:
    """Make a bucket on a server, for a test."""
    home = opened(url, tmp_path, server)
    login = (NATS_USER, server.password) if server else (None, None)
    bus = NatsBus(BusOptions(url, "test.files", user=login[0], password=login[1])).connect()
    wanted = Topology((files_spec("files", max_bytes),), ())
    bus.provision(wanted)
    try:
        yield home
    finally:
        home.files.close()
        bus.wipe(wanted)
        bus.close()


def test_a_bucket_that_is_missing_looks_like_no_lost_recording(nats_server: EmbeddedNats, tmp_path: Path) -> None:
    home = opened(nats_server.url, tmp_path, nats_server, "nowhere")
    for ask in (home.version, home.size, home.local, home.remove, lambda name: home.get(name, 10)):
        with pytest.raises(IngestError, match="OBJ_nowhere does not exist: `ingest migrate`") as caught:
            ask("videos/aa/b/audio.json")
        assert caught.value.code is Code.ENV_VOLUME
    with pytest.raises(IngestError, match="does not exist"):
        home.used_bytes()
    with pytest.raises(IngestError, match="does not exist"):
        keep(home, tmp_path / "file")
    home.files.close()


def test_a_full_bucket_is_named_and_takes_files_again_when_some_are_deleted(
    nats_server: EmbeddedNats, tmp_path: Path
) -> None:
    with made(nats_server.url, tmp_path, nats_server, 3 * MIB) as home:
        keep(home, tmp_path / "first", bytes(2 * MIB))
        with pytest.raises(IngestError, match="is full: `ingest purge` makes room") as caught:
            home.put("voices/large", bytes(2 * MIB), None)
        assert caught.value.code is Code.ENV_DISK_FULL
        assert list(home.list("voices/")) == []
        Volume(home).discard(ID, "audio")
        home.put("voices/large", bytes(2 * MIB), None)


def test_a_bucket_without_room_for_the_smallest_file_can_be_emptied(nats_server: EmbeddedNats, tmp_path: Path) -> None:
    with made(nats_server.url, tmp_path, nats_server, 3 * MIB) as home:
        names = list[str]()
        for size in (MIB >> 1, MIB >> 4, 1 << 10):
            with suppress(IngestError):
                while True:
                    home.put(f"voices/{len(names)}", bytes(size), None)
                    names.append(f"voices/{len(names)}")
        with pytest.raises(IngestError, match="is full"):
            home.put("voices/small", bytes(1 << 10), None)
        for name in names:
            home.remove(name)
        assert list(home.list("")) == []
        home.put("voices/small", bytes(1 << 10), None)


def test_the_limit_of_an_account_is_no_fault_of_the_file(tmp_path: Path) -> None:
    limits = "accounts { A { jetstream: {max_store: 3MB}, users: [{user: a, password: b}] } }\nno_auth_user: a"
    with nats_with(tmp_path, limits) as url, made(url, tmp_path) as home:
        with pytest.raises(IngestError, match="resource limits exceeded for account") as caught:
            home.put("voices/large", bytes(4 * MIB), None)
        assert caught.value.code is Code.ENV_DISK_FULL


def test_chunks_are_as_large_as_the_server_takes_messages(tmp_path: Path) -> None:
    with nats_with(tmp_path, "max_payload: 100000") as url, made(url, tmp_path) as home:
        content = bytes(range(256)) * 4096
        home.put("voices/a", content, None)
        assert home.get("voices/a", len(content)) == content
        assert home.read("voices/a", 500_000, 10) == content[500_000:500_010]
        assert sum(home.files.places("").values()) > len(content) // 100_000


def test_a_server_that_takes_small_messages_only_is_named(tmp_path: Path) -> None:
    refusal = pytest.raises(IngestError, match="max_payload of NATS is 30000 bytes, files need at least 65536")
    with nats_with(tmp_path, "max_payload: 30000") as url, made(url, tmp_path) as home, refusal:
        home.put("voices/a", b"1", None)


def test_an_upload_that_was_interrupted_is_no_file_and_can_be_purged(home: JetStreamHome, tmp_path: Path) -> None:
    kept = keep(home, tmp_path / "file")
    folder = kept.rpartition("/")[0]
    upload(home.files, f"{folder}/audio-0.mp3", BytesIO(bytes(MIB)))
    left = [entry for entry in home.list("videos/") if TEMPORARY_PREFIX in entry.name]
    assert [(entry.name.rpartition("/")[0], entry.size_bytes) for entry in left] == [(folder, MIB)]
    assert home.size(f"{folder}/audio-0.mp3") is None
    home.remove(left[0].name)
    assert [entry.name for entry in home.list("videos/")] == [kept, f"{folder}/audio.json"]


def test_a_file_that_is_replaced_or_deleted_leaves_nothing(
    home: JetStreamHome, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    for number in range(4):
        home.put("voices/a", bytes(number), home.version("voices/a"))
    assert home.get("voices/a", 10) == bytes(3)
    home.remove("voices/a")
    wait_until(lambda: home.files.stored() == 0)
    assert home.version("voices/a") is None
    home.put("voices/a", b"again", None)
    assert home.get("voices/a", 10) == b"again"


class SlowFiles(NatsFiles):
    """A bucket whose client is so slow that the message which a deleted file leaves has ended when it writes."""

    def replace(self, name: str, info: FileInfo | None, before: int) -> bool:
        while info is not None and before and self.find(name).sequence == before:
            time.sleep(0.05)
        return super().replace(name, info, before)


def test_a_small_file_can_be_written_while_the_trace_of_a_deleted_one_ends(
    nats_bucket: tuple[BusOptions, str], tmp_path: Path
) -> None:
    with closing(SlowFiles(*nats_bucket)) as files:
        home = JetStreamHome(files, Cache(tmp_path / "copies", 100 * MIB))
        home.put("notes/a", b"1", None)
        home.remove("notes/a")
        home.put("notes/a", b"2", None)
        assert home.get("notes/a", 10) == b"2"
        assert [entry.name for entry in home.list("notes/")] == ["notes/a"]


def test_an_info_whose_answer_was_lost_is_stored_once(home: JetStreamHome) -> None:
    first, other = (upload(home.files, "voices/a", BytesIO(text)) for text in (b"1", b"2"))
    assert home.files.replace("voices/a", first, 0)
    assert home.files.replace("voices/a", first, 0)  # it is repeated, since no answer came
    assert not home.files.replace("voices/a", other, 0)
    assert home.get("voices/a", 10) == b"1"


def test_a_file_whose_chunks_are_gone_is_damaged_and_not_missing(home: JetStreamHome, tmp_path: Path) -> None:
    volume, kept = Volume(home), keep(home, tmp_path / "file")
    found = volume.find(ID, "audio", "audio-1")
    assert found is not None
    for name in (kept, f"{kept.rpartition('/')[0]}/audio.json"):
        info = home.files.find(name).info
        assert info is not None
        home.files.drop_chunks(info.place)
    home.forget_copy(kept)
    for ask in (lambda: volume.verified(found, 0), lambda: home.read(kept, 0, 5)):
        with pytest.raises(IngestError) as caught:
            ask()
        assert caught.value.code is Code.CHECKSUM_MISMATCH
    assert volume.manifest(ID, "audio") is None
    keep(home, tmp_path / "file")
    assert volume.find(ID, "audio", "audio-1") == found


def test_what_another_program_has_stored_is_no_file_of_ours(home: JetStreamHome) -> None:
    assert file_info.decode(b"[]") is None
    assert file_info.decode(b'{"name": "a", "nuid": "b", "size": 1, "digest": "SHA-256=AA=="}') is None
    home.put("voices/a b.ä", b"1", None)
    assert [entry.name for entry in home.list("voices/")] == ["voices/a b.ä"]
    assert file_info.path("voices/a b.ä") == "voices.a=20b=2E=C3=A4"
    with pytest.raises(IngestError, match="too long") as caught:
        home.size(f"videos/{'a' * 2000}")
    assert caught.value.code is Code.BAD_FIELD


class HarmedFiles(NatsFiles):
    """A bucket to which something happens before its second part is stored."""

    parts = 0

    def __init__(self, options: BusOptions, bucket: str, harm: Callable[[], None]) -> None:
        super().__init__(options, bucket)
        self._harm = harm

    def add_chunks(self, place: str, chunks: Sequence[bytes]) -> list[int]:
        """Harm once."""
        self.parts += 1
        if self.parts == 2:
            self._harm()
        return super().add_chunks(place, chunks)


@pytest.mark.long  # the client waits for an answer that does not come
def test_a_server_that_is_killed_in_the_middle_of_an_upload_gets_it_again(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path / "nats")
    is_half_done = threading.Event()

    def kill() -> None:
        server.process.kill()
        server.process.wait()
        is_half_done.set()

    options = BusOptions(server.url, "test.files", user=NATS_USER, password=server.password)
    with made(server.url, tmp_path, server) as whole:
        files = HarmedFiles(options, "files", kill)
        home, content = JetStreamHome(files, Cache(tmp_path / "harmed", 100 * MIB)), bytes(range(256)) * (9 << 12)
        with ThreadPoolExecutor(1) as pool:
            uploading = pool.submit(keep, home, tmp_path / "file", content)
            assert is_half_done.wait(30)
            server.restart()  # by the thread that lives as long as the server has to
            kept = uploading.result()
        assert files.parts > 2
        assert whole.read(kept, 8 * MIB - 5, 10) == content[8 * MIB - 5 : 8 * MIB + 5]
        assert [entry.name.rpartition("/")[2] for entry in whole.list("videos/")] == [
            kept.rpartition("/")[2],
            "audio.json",
        ]
        files.close()
    server.stop()


def test_a_bucket_that_is_deleted_in_the_middle_of_an_upload_is_named(
    nats_bucket: tuple[BusOptions, str], tmp_path: Path
) -> None:
    options, name = nats_bucket
    bus = NatsBus(options).connect()
    files = HarmedFiles(options, name, lambda: bus.wipe(Topology((files_spec(name),), ())))
    home = JetStreamHome(files, Cache(tmp_path / "copies", 100 * MIB))
    with pytest.raises(IngestError, match="does not exist") as caught:
        keep(home, tmp_path / "file", bytes(9 * MIB))
    assert caught.value.code is Code.ENV_VOLUME
    files.close()
    bus.close()
