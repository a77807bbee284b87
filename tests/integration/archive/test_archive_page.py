"""The page in a real browser: search, open, play, click a word, keyboard alone, a phone's width, dark and light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest.demo import conversation
from ingest.embedder.settings import EmbedderSettings
from ingest.embedder.text_model import light_encoder
from ingest.shared.artifacts.volume import Volume
from ingest.shared.settings import load
from tests.support.archive_server import FAILED, TALK, WATCHED, add_from_youtube, archive, fill
from tests.support.browser import Page, browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingest.embedder.postgres.database import Database

PLAYER = "document.getElementById('player')"
PAGES = (
    "/",
    "/?q=ship",
    f"/recordings/{TALK}",
    f"/recordings/{TALK}/similar?passage=0",
    f"/recordings/{FAILED}",
    f"/recordings/{WATCHED}",
    "/recordings",
    "/speakers",
    "/status",
)
# Colours of text and of what is behind it, by the formula of WCAG 2; letters smaller than 24 pixels need 4.5.
CONTRAST = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const bad = [];
  for (const element of document.querySelectorAll('body *')) {
    if (!element.checkVisibility() || element.closest('.hidden, .skip, svg, dialog')) continue;
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    const behind = [];
    for (let up = element; up; up = up.parentElement) behind.unshift(getComputedStyle(up).backgroundColor);
    const [one, other] = [light(rgb(behind)), light(rgb([...behind, getComputedStyle(element).color]))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) bad.push(`${ratio.toFixed(2)}: ${element.outerHTML.slice(0, 80)}`);
  }
  return bad;
})()
"""
AXE_LOOKS = ((390, False), (1280, True))


@pytest.fixture(scope="module")
def opened(program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(program("chromium", "chromium"), tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(opened: Page, database: Database, database_url: str, tmp_path: Path) -> Iterator[tuple[Page, str]]:
    """A page of the browser, and the address of a server with a small archive."""
    encoder = light_encoder.load(load(EmbedderSettings))
    fill(database, Volume(tmp_path / "volume"), encoder, tmp_path)
    add_from_youtube(database, encoder)
    with archive(database_url, tmp_path / "volume", encoder) as client:
        yield opened, f"http://127.0.0.1:{client.port}"


@pytest.mark.long
def test_an_answer_is_found_opened_heard_and_its_words_are_clicked(page: tuple[Page, str]) -> None:
    shown, base = page
    shown.look(1280, 850, dark=False)
    search_by_keyboard(shown, base)
    hear(shown)
    click_a_word(shown)
    step_by_keyboard(shown)
    copy_a_quote(shown, base)
    hear_a_voice(shown, base)
    every_page_is_whole(shown, base)
    assert shown.trouble == []
    watch_at_its_site(shown, base)


def search_by_keyboard(shown: Page, base: str) -> None:
    shown.open(f"{base}/status")
    shown.press("/")  # there is no field here: the search page opens
    shown.until("document.readyState === 'complete' && document.activeElement.name === 'q'")
    shown.type("boats on the water")
    shown.press("Enter")
    shown.until("document.querySelector('.hit .when')")
    assert shown.run("document.querySelectorAll('.hit .best').length") > 0
    address = shown.run("document.querySelector('.hit .when').href")
    assert f"/recordings/{TALK}?t=" in address
    shown.run("document.querySelector('.hit .when').focus()")
    shown.press("Enter")
    shown.until(f"location.href === {address!r} && {PLAYER} && {PLAYER}.readyState > 0")
    assert abs(shown.run(f"{PLAYER}.currentTime") - float(address.partition("?t=")[2].partition("&")[0])) < 0.3


def hear(shown: Page) -> None:
    """The player runs, and marks the words that are spoken."""
    shown.until("document.querySelector('[data-ready]')")
    began_s = shown.run(f"{PLAYER}.currentTime")
    shown.press(" ")
    shown.until(f"!{PLAYER}.paused && {PLAYER}.currentTime > {began_s} + 0.5")
    shown.until("document.querySelector('.word.spoken')")
    shown.press(" ")
    shown.until(f"{PLAYER}.paused")


def click_a_word(shown: Page) -> None:
    sentence = conversation().sentences[-1]
    first = f'.passage:last-child .word[data-start="{sentence.start_s:g}"]'
    shown.run("document.querySelector('.passage:last-child').scrollIntoView()")
    shown.until(f"document.querySelector({first!r})")
    shown.click(first)
    shown.until(
        f"Math.abs({PLAYER}.currentTime - {sentence.start_s}) < 0.3 || {PLAYER}.currentTime > {sentence.start_s}"
    )
    shown.run(f"{PLAYER}.pause()")
    assert 0 <= shown.run(f"{PLAYER}.currentTime") - sentence.start_s + 0.3 < 3
    shown.open(shown.run("location.href"))  # the address leads to the same second
    shown.until(f"{PLAYER}.readyState > 0 && Math.abs({PLAYER}.currentTime - {sentence.start_s}) < 0.3")


def step_by_keyboard(shown: Page) -> None:
    shown.press("ArrowUp")
    shown.until("document.querySelector('[aria-current].passage').nextElementSibling")
    start_s = shown.run("Number(document.querySelector('[aria-current].passage').dataset.start)")
    assert abs(shown.run(f"{PLAYER}.currentTime") - start_s) < 0.3
    shown.press("ArrowLeft")
    shown.until(f"Math.abs({PLAYER}.currentTime - Math.max(0, {start_s} - 5)) < 0.3")
    shown.press("?")
    assert shown.run("document.getElementById('keys').open")


def copy_a_quote(shown: Page, base: str) -> None:
    shown.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    shown.open(f"{base}/recordings/{TALK}?t=1")
    shown.click("[aria-current] [data-quote]")
    shown.until("document.querySelector('[data-copied]').textContent")
    text, source, link = shown.run("navigator.clipboard.readText()").split("\n")
    assert text.strip("“”") == shown.run("document.querySelector('[aria-current] .said').textContent")
    assert source.endswith(f"{conversation().title}, 0:00")
    assert link == "https://podcast.example/talk.ogg#t=0"
    shown.click("[aria-current] a[href*=similar]")
    shown.until("location.pathname.endsWith('/similar') && document.querySelector('.hit')")


def hear_a_voice(shown: Page, base: str) -> None:
    shown.open(f"{base}/speakers")
    shown.click("[data-sample]")
    shown.until("document.querySelector('.sample.playing')")
    shown.click("[data-sample]")
    assert shown.run("location.pathname + document.querySelectorAll('.sample.playing').length") == "/speakers0"


def watch_at_its_site(shown: Page, base: str) -> None:
    """YouTube's player comes with a click and not before; words and the player lead each other."""
    site = "https://www.youtube-nocookie.com"
    policy = "fetch(location.href).then((answer) => answer.headers.get('content-security-policy'))"
    shown.open(f"{base}/recordings/{TALK}")
    assert "frame-src" not in shown.run(policy)
    assert not shown.run("document.querySelector('[data-player]')")
    shown.open(f"{base}/recordings/{WATCHED}?t=30")
    shown.until("document.querySelector('[data-ready]')")
    assert shown.run(policy).endswith(f"; frame-src {site}")
    loaded = "performance.getEntriesByType('resource').map((one) => one.name)"
    assert all(name.startswith(base) for name in shown.run(loaded))
    shown.click("[data-player]")
    address = shown.run("document.querySelector('.site iframe').src")
    assert address.startswith(f"{site}/embed/{WATCHED}?autoplay=1&enablejsapi=1&start=30&")
    shown.run("recording.site.send = (message) => { if (message.event === 'command') window.sent = message; }")
    shown.click("#p0 .when")
    shown.until("window.sent")
    assert shown.run("window.sent") == {"event": "command", "func": "seekTo", "args": [0, True]}
    told = "new MessageEvent('message', {data: '{\"info\": {\"currentTime\": 31.5}}', origin: %r, source: %s})"
    source = "document.querySelector('.site iframe').contentWindow"
    for origin, current in (("https://other.example", "p0"), (site, "p1")):
        shown.run(f"dispatchEvent({told % (origin, source)}), true")
        assert shown.run("document.querySelector('[aria-current].passage').id") == current


def every_page_is_whole(shown: Page, base: str) -> None:
    """No page is wider than the screen, has text that is hard to read, a control without a name, or a fault for axe."""
    found: dict[str, list[str]] = {}
    for path in PAGES:
        for width, dark in ((390, False), (390, True), (820, False), (1280, True)):
            shown.look(width, 800, dark=dark)
            shown.open(f"{base}{path}")
            where = f"{path} at {width}, dark: {dark}"
            assert shown.run("document.documentElement.scrollWidth") <= width, where
            assert shown.run(CONTRAST) == [], where
            assert shown.nameless() == [], where
            if (width, dark) in AXE_LOOKS:
                found[where] = shown.violations()
    assert {where: bad for where, bad in found.items() if bad} == {}
