"""Tables on terminals of any width, and in pipes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from ingest.cli import console
from ingest.cli.listing import READABLE

ROW = ("dQw4w9WgXcQ", "failed", "A rather long title of a recording", "NETWORK_TIMEOUT", "no data for 20 s")
COLUMNS = ("video", "state", "title", "code", "message")


def shown(width: int | None, *rows: tuple[object, ...], columns: tuple[str, ...] = COLUMNS) -> list[str]:
    """Return the lines of a table on a terminal of a width; None: in a pipe."""
    out = Console(
        file=io.StringIO(), width=width or 80, force_terminal=width is not None, no_color=True, soft_wrap=True
    )
    out.print(console.table("Videos", columns, rows))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()


@pytest.mark.parametrize("width", range(1, 200, 7))
def test_no_cell_is_cut_into_columns_of_a_few_letters(width: int) -> None:
    lines = shown(width, ROW)
    if f"title: {ROW[2]}" in lines:  # a list: the terminal wraps its lines
        assert lines[1:6] == [f"{name}: {cell}" for name, cell in zip(COLUMNS, ROW, strict=True)]
        return
    assert max(map(cell_len, lines)) <= width
    assert width >= len(ROW[0]) + len("failed") + 3 * READABLE
    assert any("dQw4w9WgXcQ" in line and "failed" in line for line in lines)


def test_a_terminal_of_thirty_columns_shows_a_list_and_a_wide_one_a_table() -> None:
    assert "state: failed" in shown(30, ROW)
    assert "state: failed" not in shown(100, ROW)


def test_a_row_is_one_line_in_a_pipe() -> None:
    long = "x" * 500
    title, header, first, second = shown(None, ROW, ("b", "failed", long, None, "two\nlines"))
    assert (title, header.split()) == ("Videos", list(COLUMNS))
    assert first.split("  ")[0] == "dQw4w9WgXcQ"
    assert second.endswith("two lines")
    assert long in second
    assert first == first.rstrip()


def test_fields_of_one_thing_are_shown_with_their_names() -> None:
    assert "length: 1:05" in shown(12, ("length", "1:05"), ("source", "https://example.org"), columns=("", ""))


@given(
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=3),
    st.one_of(st.none(), st.integers(1, 300)),
)
def test_any_text_can_be_shown_at_any_width(rows: list[tuple[str, str]], width: int | None) -> None:
    assert shown(width, *rows, columns=("a", "b"))
