"""A value that is kept for some seconds: made once, not by several threads at a time, and never from an error."""

from __future__ import annotations

import threading

import pytest

from ingest.archive.web.pages.kept_value import KeptValue


def test_a_value_is_made_again_after_its_time() -> None:
    now, made = [0.0], iter(range(10))
    kept = KeptValue(lambda: next(made), 60.0, lambda: now[0])
    seen = []
    for at in (0.0, 59.0, 60.0, 61.0, 121.0):
        now[0] = at
        seen.append(kept.get())
    assert seen == [0, 0, 1, 1, 2]


def test_while_a_thread_makes_it_again_the_others_get_the_old_value() -> None:
    now, begun, end = [0.0], threading.Event(), threading.Event()
    values = iter(["old", "new"])

    def make() -> str:
        if now[0]:
            begun.set()
            assert end.wait(30)
        return next(values)

    kept = KeptValue(make, 60.0, lambda: now[0])
    assert kept.get() == "old"
    now[0] = 100.0
    maker = threading.Thread(target=kept.get)
    maker.start()
    assert begun.wait(30)
    assert kept.get() == "old"
    end.set()
    maker.join()
    assert kept.get() == "new"


def test_nothing_is_kept_of_an_error() -> None:
    fails = iter([0, 1])
    kept = KeptValue(lambda: 1 // next(fails), 60.0)
    with pytest.raises(ZeroDivisionError):
        kept.get()
    assert kept.get() == 1
