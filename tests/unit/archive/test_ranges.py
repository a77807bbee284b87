"""Ranges of bytes: the part of the file that is sent, the whole file, or a refusal (RFC 9110, section 14)."""

from __future__ import annotations

import pytest

from ingest.archive.web.audio import byte_range
from ingest.archive.web.problems import NO_RANGE, ProblemError

SIZE = 100


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        pytest.param("", None, id="no range"),
        pytest.param("bytes=0-", (0, 100), id="from the beginning"),
        pytest.param("bytes=0-0", (0, 1), id="one byte"),
        pytest.param("bytes=90-1000", (90, 100), id="beyond the end"),
        pytest.param("bytes=-10", (90, 100), id="the last bytes"),
        pytest.param("bytes=-1000", (0, 100), id="more last bytes than there are"),
        pytest.param(" bytes = 5 - 9 ", (5, 10), id="blanks"),
        pytest.param("bytes=9-5", None, id="backwards"),
        pytest.param("bytes=-", None, id="nothing named"),
        pytest.param("bytes=0-1,5-6", None, id="several"),
        pytest.param("items=0-1", None, id="another unit"),
        pytest.param("bytes=a-b", None, id="no numbers"),
        pytest.param("bytes=٠-٩", None, id="digits of another script"),  # noqa: RUF001 (that is what it tests)
        pytest.param("bytes=" + "9" * 5000 + "-", None, id="a huge number"),
    ],
)
def test_a_range(wanted: str, sent: tuple[int, int] | None) -> None:
    assert byte_range(wanted, SIZE) == sent


@pytest.mark.parametrize("wanted", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_of_the_file_is_refused(wanted: str) -> None:
    with pytest.raises(ProblemError) as refused:
        byte_range(wanted, SIZE)
    assert refused.value.kind is NO_RANGE
    assert refused.value.headers["Content-Range"] == "bytes */100"
