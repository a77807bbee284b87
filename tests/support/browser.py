"""A real browser for tests: Chromium without a window, driven by its own protocol (Chrome DevTools)."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any

from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_S = 60.0
ANSWER_S = 60.0
CLICK_S = 30.0
KEY_CODES = {" ": "Space", "/": "Slash", "?": "Slash", "Tab": "Tab", "Enter": "Enter"}
VIOLATIONS = """
axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations.flatMap((rule) =>
  rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 120)}; ${node.failureSummary}`)))
"""
# The middle of an element that has had one place for two frames and is on top there, else null: a page that
# still scrolls would put something else under the pointer.
PLACE = """
async (selector) => {
  const frame = () => new Promise(requestAnimationFrame);
  const found = document.querySelector(selector);
  if (!found) return null;
  found.scrollIntoView({block: "center", behavior: "instant"});
  const before = found.getBoundingClientRect();
  await frame(); await frame();
  const { x, y, width, height } = found.getBoundingClientRect();
  const middle = [x + width / 2, y + height / 2];
  const still = x === before.x && y === before.y && width > 0 && height > 0;
  return still && found.contains(document.elementFromPoint(...middle)) ? middle : null;
}
"""


class Page:
    """A page of the browser. `trouble` are the errors of its scripts, and what its policy has refused."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self.trouble: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> Any:  # noqa: ANN401 (JSON)
        """Call a method of the protocol and return its result."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=ANSWER_S))
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        if event["method"] == "Runtime.exceptionThrown":
            self.trouble.append(str(event["params"]["exceptionDetails"]))
        if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            self.trouble.append(str(event["params"]["entry"]["text"]))

    def open(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        self.call("Page.navigate", url=url)
        self.until(
            f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url.partition('#')[0])})"
        )

    def run(self, script: str) -> Any:  # noqa: ANN401 (a value of JavaScript)
        """Return the value of an expression, as after a click of the user."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, condition: str, limit_s: float = 30.0) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + limit_s
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < deadline, (
                f"{condition}; {self.trouble}; {self.run('document.body.innerText')[:2000]}"
            )
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press a key."""
        described = {"key": key, "code": KEY_CODES.get(key, key)}
        text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **described, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **described)

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click on the middle of the first element that a selector finds, once it stands still with nothing on top."""
        self.until("document.readyState === 'complete'")
        deadline = time.monotonic() + CLICK_S
        while not (place := self.run(f"({PLACE})({json.dumps(selector)})")):
            assert time.monotonic() < deadline, f"{selector} cannot be clicked; {self.trouble}"
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def look(self, width: int, height: int, *, dark: bool) -> None:
        """Take the size of a screen, and its colours."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def nameless(self) -> list[str]:
        """Return the controls that have no name in the accessibility tree, which a screen reader reads."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            f"{node['role']['value']} {node['nodeId']}"
            for node in nodes
            if not node["ignored"] and not node.get("name", {}).get("value") and _is_control(node)
        ]

    def violations(self) -> list[str]:
        """Return what axe-core finds: rules of WCAG and good practice that the page does not keep."""
        if not self.run("Boolean(window.axe)"):
            self.run((resources.files("axe_core_python") / "axe.min.js").read_text() + "; true")
        return list(self.run(VIOLATIONS))

    def picture(self) -> bytes:
        """Return what the page shows, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


def _is_control(node: dict[str, Any]) -> bool:
    takes_focus = any(one["name"] == "focusable" and one["value"]["value"] for one in node.get("properties", ()))
    return takes_focus and node["role"]["value"] not in {"RootWebArea", "dialog"}


@contextmanager
def browser(program: str, folder: Path) -> Iterator[Page]:
    """Give a page of a new browser whose data is in `folder`."""
    command = [
        program,
        "--headless",
        "--no-sandbox",  # tests may run as root
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no test leaves the machine
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "about:blank",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with connect(_address(folder), max_size=None, compression=None, proxy=None) as connection:
                target = _call(connection, "Target.createTarget", url="about:blank")["targetId"]
                base = _address(folder).rpartition("/devtools/")[0]
                with connect(f"{base}/devtools/page/{target}", max_size=None, compression=None, proxy=None) as page:
                    yield Page(page)
        finally:
            process.kill()


def _address(folder: Path) -> str:
    """Return the address of a browser, which it writes into its folder when it has started."""
    deadline = time.monotonic() + START_S
    path = folder / "DevToolsActivePort"
    while not path.exists() or len(path.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.05)
    port, name = path.read_text().splitlines()
    return f"ws://127.0.0.1:{port}{name}"


def _call(connection: ClientConnection, method: str, **parameters: object) -> Any:  # noqa: ANN401 (JSON)
    connection.send(json.dumps({"id": 1, "method": method, "params": parameters}))
    return json.loads(connection.recv(timeout=ANSWER_S))["result"]
