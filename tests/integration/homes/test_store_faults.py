"""A store that lies: the faults of a shared folder have twins, and none makes a file that is half, lost or wrong."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.cli.operate import doctor
from ingest.cli.settings import AllSettings
from ingest.shared.artifacts.home import ConflictError
from ingest.shared.artifacts.volume import NewArtifact, Volume
from ingest.shared.errors import Code, IngestError
from ingest.shared.homes.cache import Cache
from ingest.shared.homes.s3 import S3Home
from ingest.shared.settings import load
from tests.support.lying_store import Answer, Forward, Lie, LyingStore, Request, cut, lost, lying, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.shared.homes.s3 import Bucket
    from ingest.shared.messages import Artifact
    from tests.support.s3_server import S3Server

ID = "abcdefghijk"
CONTENT = bytes(range(256)) * 400


@pytest.fixture(scope="module")
def proxy(s3: S3Server) -> Iterator[LyingStore]:
    with lying(s3.endpoint) as store:
        yield store


@pytest.fixture
def store(proxy: LyingStore) -> Iterator[LyingStore]:
    """The proxy, honest until a test makes it lie."""
    proxy.asked.clear()
    yield proxy
    proxy.lie = None


@pytest.fixture
def machine(store: LyingStore, bucket: Bucket, tmp_path: Path) -> Callable[[str], S3Home]:
    """A function that gives the home on a machine of this name."""
    there = replace(bucket, endpoint=store.endpoint)
    return lambda name: S3Home(there, Cache(tmp_path / name, 1 << 30))


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., Artifact]:
    """A function that stores a recording on a machine."""

    def do(home: S3Home, generation: int = 1, content: bytes = CONTENT) -> Artifact:
        file = tmp_path / "source"
        file.unlink(missing_ok=True)
        file.write_bytes(content)
        return Volume(home).keep(ID, NewArtifact(file, "audio", "mp3", 1.0, "audio-1", generation))

    return do


def times(count: int, lie: Lie, *methods: str) -> Lie:
    """Return a lie that is told for the first requests of these methods, or all."""
    left = [count]

    def tell(request: Request, forward: Forward) -> Answer:
        if left[0] and (not methods or request.method in methods) and not request.is_list:
            left[0] -= 1
            return lie(request, forward)
        return forward(request)

    return tell


def shorter(request: Request, forward: Forward) -> Answer:
    """Send half of a body as if it were all."""
    answer = forward(request)
    return replace(answer, body=answer.body[: len(answer.body) // 2])


@pytest.mark.parametrize(
    ("status", "code"),
    [pytest.param(503, "SlowDown", id="slow down"), pytest.param(503, "ServiceUnavailable", id="unavailable")],
)
def test_a_store_that_is_busy_for_a_moment_is_asked_again(
    store: LyingStore, machine: Callable[[str], S3Home], keep: Callable[..., Artifact], status: int, code: str
) -> None:
    store.lie = times(2, lambda _request, _forward: refusal(status, code))
    artifact = keep(machine("one"))
    store.lie = times(1, lambda _request, _forward: refusal(status, code))
    assert Volume(machine("two")).verified(artifact).read_bytes() == CONTENT


@pytest.mark.parametrize("which", [1, 2], ids=["of the file", "of the manifest"])
def test_a_lost_answer_of_an_upload_makes_one_recording(
    store: LyingStore, machine: Callable[[str], S3Home], keep: Callable[..., Artifact], which: int
) -> None:
    left = [which]

    def lie(request: Request, forward: Forward) -> Answer:
        left[0] -= request.method == "PUT"
        return (lost if request.method == "PUT" and left[0] == 0 else lambda one, ask: ask(one))(request, forward)

    store.lie = lie
    keep(machine("one"))
    assert left[0] < 0  # it was sent again; the manifest is there already then, and is our own
    volume = Volume(machine("two"))
    found = volume.find(ID, "audio", "audio-1")
    assert found is not None
    assert volume.verified(found).read_bytes() == CONTENT
    assert len(list(volume.home.list("videos/"))) == 2


def test_an_old_list_loses_no_present_file(
    store: LyingStore, machine: Callable[[str], S3Home], keep: Callable[..., Artifact]
) -> None:
    home = machine("one")
    keep(home, 1, b"first")
    old: dict[str, Answer] = {}

    def lie(request: Request, forward: Forward) -> Answer:
        if not request.is_list:
            return forward(request)
        return old.setdefault(request.path.partition("prefix=")[2], forward(request))

    store.lie = lie
    volume = Volume(home)
    list(home.list(f"{volume.folder(ID)}/audio-"))
    list(home.list("videos/"))
    new = keep(home, 2, b"second")
    volume.discard_older(ID, "audio")
    store.lie = None
    home.forget_copy(new.path)
    assert volume.verified(new).read_bytes() == b"second"
    assert volume.find(ID, "audio", "audio-1", 2) == new


def test_a_body_that_is_cut_is_never_taken_for_the_file(
    store: LyingStore, machine: Callable[[str], S3Home], keep: Callable[..., Artifact]
) -> None:
    artifact, volume = keep(machine("one")), Volume(machine("two"))
    store.lie = times(1, shorter, "GET")
    with pytest.raises(IngestError, match=f"{len(CONTENT) // 2} of {len(CONTENT)} bytes") as caught:
        volume.verified(artifact)
    assert caught.value.code is Code.ENV_VOLUME
    store.lie = times(1, cut, "GET")  # the client notices, and asks again
    assert volume.verified(artifact).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "code", "expected", "words"),
    [
        pytest.param(403, "RequestTimeTooSkewed", Code.ENV_VOLUME, "the clock of this machine is wrong", id="clock"),
        pytest.param(400, "ExpiredToken", Code.ENV_VOLUME, "the credentials have expired", id="expired"),
        pytest.param(404, "NoSuchBucket", Code.ENV_VOLUME, "the bucket does not exist", id="bucket gone"),
        pytest.param(403, "QuotaExceeded", Code.ENV_DISK_FULL, "QuotaExceeded", id="quota"),
        pytest.param(507, "InsufficientStorage", Code.ENV_DISK_FULL, "507|InsufficientStorage", id="disk full"),
        pytest.param(403, "AccessDenied", Code.ENV_VOLUME, "AccessDenied", id="no right"),
    ],
)
def test_a_refusal_is_named_and_nothing_is_half_stored(
    store: LyingStore,
    machine: Callable[[str], S3Home],
    keep: Callable[..., Artifact],
    status: int,
    code: str,
    expected: Code,
    words: str,
) -> None:
    store.lie = lambda request, forward: refusal(status, code) if request.method != "HEAD" else forward(request)
    with pytest.raises(IngestError, match=words) as caught:
        keep(machine("one"))
    assert caught.value.code is expected
    store.lie = None
    assert list(machine("one").list("videos/")) == []
    keep(machine("one"))
    assert Volume(machine("two")).find(ID, "audio", "audio-1") is not None


def test_of_two_writers_at_the_same_instant_one_loses(store: LyingStore, machine: Callable[[str], S3Home]) -> None:
    both, results = threading.Barrier(2, timeout=20), list[str]()

    def lie(request: Request, forward: Forward) -> Answer:
        if request.method == "PUT":
            both.wait()
        return forward(request)

    def write(name: str) -> None:
        try:
            machine(name).put("notes/a", name.encode(), None)
        except ConflictError:
            results.append("lost")
        else:
            results.append(name)

    store.lie = lie
    threads = [threading.Thread(target=write, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [result for result in results if result != "lost"]
    assert sorted(results) == sorted([winner, "lost"])
    assert machine("three").get("notes/a", 10) == winner.encode()


def test_a_store_that_calls_a_conflict_by_its_other_name_is_understood(
    store: LyingStore, machine: Callable[[str], S3Home]
) -> None:
    home = machine("one")
    home.put("notes/a", b"1", None)
    before = home.version("notes/a")
    store.lie = times(99, lambda _request, _forward: refusal(409, "ConditionalRequestConflict"), "PUT")
    for version in (None, before):
        with pytest.raises(ConflictError):
            home.put("notes/a", b"2", version)
    assert home.get("notes/a", 10) == b"1"


def test_doctor_tries_a_store_and_says_what_it_refuses(store: LyingStore, bucket: Bucket, tmp_path: Path) -> None:
    settings = load(
        AllSettings,
        state_path=tmp_path,
        volume_url=f"s3://{bucket.name}/{bucket.prefix}",
        volume_endpoint=store.endpoint,
        volume_access_key=bucket.access_key,
        volume_secret_key=bucket.secret_key,
    )
    assert doctor.checked("volume", doctor.CHECKS["volume"], settings).level == "ok"
    store.lie = lambda request, forward: refusal(403, "AccessDenied") if request.method == "PUT" else forward(request)
    found = doctor.checked("volume", doctor.CHECKS["volume"], settings)
    assert (found.level, "AccessDenied" in found.found, "rights" in found.advice) == ("problem", True, True)
