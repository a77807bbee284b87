// Adds to the pages what HTML alone cannot do: the player and its transcript, the keyboard, the live status.
"use strict";

const SKIP_S = 5;
const STATUS_MS = 5000;
const COPIED_MS = 4000;
const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

function keyboard(actions) {
  const keys = document.getElementById("keys");
  const button = document.querySelector("[data-keys]");
  button.hidden = false;
  button.addEventListener("click", () => keys.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || keys.open) return;
    if (event.key === " " && event.target.closest("button, a, summary, audio")) return;
    if (event.key.startsWith("Arrow") && event.target.closest("audio")) return;
    const act = { "/": focusSearch, "?": () => keys.showModal(), ...actions }[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
}

function focusSearch() {
  const field = document.querySelector("input[type=search]");
  if (field === null) location.href = "/";
  else field.select();
}

// The player of the site that a recording is from, in a frame that a click opens. `tick` is called with each second it plays.
class SitePlayer {
  constructor(place, address, second, tick) {
    const frame = document.createElement("iframe");
    this.frame = frame;
    this.site = new URL(address).origin;
    const state = { autoplay: 1, enablejsapi: 1, start: Math.floor(second), origin: location.origin };
    frame.src = `${address}?${new URLSearchParams(state)}`;
    frame.title = "Player of YouTube";
    frame.allow = "autoplay; encrypted-media; fullscreen; picture-in-picture";
    frame.referrerPolicy = "strict-origin"; // without the name of the page's host, the player refuses
    frame.addEventListener("load", () => this.send({ event: "listening" }));
    addEventListener("message", (event) => {
      if (event.source !== frame.contentWindow || event.origin !== this.site || typeof event.data !== "string") return;
      const playing = JSON.parse(event.data).info?.currentTime;
      if (typeof playing === "number") tick(playing);
    });
    place.replaceChildren(frame);
  }

  send(message) {
    this.frame.contentWindow.postMessage(JSON.stringify(message), this.site);
  }

  seek(second) {
    this.send({ event: "command", func: "seekTo", args: [second, true] });
  }
}

class Recording {
  constructor(article) {
    this.article = article;
    this.player = document.getElementById("player");
    this.site = null; // the player in a frame, when it is open
    this.passages = [...article.querySelectorAll(".passage")];
    this.starts = this.passages.map((passage) => Number(passage.dataset.start));
    this.follow = document.getElementById("follow");
    this.line = document.getElementById("now");
    this.words = null;
    this.active = null;
    this.spoken = null;
    const start = Number(article.dataset.start);
    if (this.player !== null) this.connect(start);
    if (start > 0) this.show(this.at(start), true);
    article.addEventListener("click", (event) => this.click(event));
    const opens = article.querySelector("[data-player]");
    if (opens !== null) {
      opens.parentElement.hidden = false;
      opens.addEventListener("click", () => this.open(opens));
    }
    if (navigator.clipboard !== undefined) for (const button of article.querySelectorAll("[data-quote]")) button.hidden = false;
    this.loadWords();
  }

  connect(start) {
    this.follow.parentElement.hidden = false;
    if (start > 0) this.seek(start, false);
    for (const name of ["timeupdate", "seeking", "loadedmetadata"]) this.player.addEventListener(name, () => this.tick());
    this.player.addEventListener("play", () => this.frames());
    this.player.addEventListener("error", () => this.player.after(Object.assign(document.createElement("p"), {
      className: "note bad", textContent: "This browser cannot play the audio of this recording." })));
  }

  open(button) {
    const second = this.player?.currentTime || this.starts[this.passages.indexOf(this.active)] || 0;
    this.player?.pause();
    this.follow.parentElement.hidden = false;
    this.site = new SitePlayer(button.parentElement, button.dataset.player, second, (playing) => {
      this.show(this.at(playing), this.follow.checked);
      this.speak(playing);
    });
  }

  frames() {
    if (this.player.paused || this.player.ended) return;
    this.tick();
    requestAnimationFrame(() => this.frames());
  }

  at(second) {
    let found = 0;
    for (let index = 0; index < this.starts.length; index += 1) if (this.starts[index] <= second + 0.05) found = index;
    return found;
  }

  seek(second, plays = true) {
    if (this.site !== null) {
      this.site.seek(second);
      this.show(this.at(second), false);
    }
    if (this.site !== null || this.player === null) return;
    this.player.currentTime = second;
    if (plays) this.player.play().catch(() => {}); // a browser may want a click first
    this.tick();
  }

  tick() {
    const second = this.player.currentTime;
    this.show(this.at(second), !this.player.paused && this.follow.checked);
    this.speak(second);
    const duration = this.player.duration;
    if (this.line !== null && Number.isFinite(duration)) {
      const x = (1000 * clamp(second / duration, 0, 1)).toFixed(1);
      this.line.setAttribute("x1", x);
      this.line.setAttribute("x2", x);
    }
  }

  show(index, scrolls) {
    const passage = this.passages[index];
    if (passage === undefined || passage === this.active) return;
    this.active?.removeAttribute("aria-current");
    this.active = passage;
    passage.setAttribute("aria-current", "true");
    this.wrap(index);
    if (!scrolls) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    passage.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
  }

  speak(second) {
    const words = this.active?.querySelectorAll(".word") ?? [];
    let spoken = null;
    for (const word of words) if (Number(word.dataset.start) <= second) spoken = word;
    if (spoken === this.spoken) return;
    this.spoken?.classList.remove("spoken");
    spoken?.classList.add("spoken");
    this.spoken = spoken;
  }

  async loadWords() {
    if (this.passages.length === 0) return;
    const answer = await fetch(this.article.dataset.words).catch(() => null);
    if (answer === null || !answer.ok) return; // passages still can be clicked
    this.words = (await answer.json()).passages.map((passage) => passage.words ?? []);
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) this.wrap(this.passages.indexOf(entry.target));
    }, { rootMargin: "50%" });
    for (const passage of this.passages) seen.observe(passage);
    this.article.dataset.ready = "true";
  }

  wrap(index) {
    const words = this.words?.[index] ?? [];
    const text = this.passages[index].querySelector(".said");
    if (words.length === 0 || text.querySelector(".word") !== null) return;
    const marked = new Set([...text.querySelectorAll("mark")].map((mark) => mark.textContent));
    const pieces = words.flatMap((word, number) => {
      const span = document.createElement("span");
      span.className = "word";
      if ([...marked].some((found) => word.text.includes(found))) span.classList.add("marked");
      span.dataset.start = word.start_s;
      span.textContent = word.text;
      return number > 0 ? [word.before, span] : [span];
    });
    text.replaceChildren(...pieces);
  }

  click(event) {
    const quote = event.target.closest("[data-quote]");
    if (quote !== null) this.quote(quote.closest(".passage"));
    const word = event.target.closest(".word");
    const when = event.target.closest(".passage .when");
    const bar = event.target.closest(".bar svg");
    if (event.ctrlKey || event.metaKey || event.shiftKey || (this.player === null && this.site === null)) return;
    if (String(getSelection()).length > 0 && word !== null) return; // words are being selected, not clicked
    if (word !== null) this.jump(Number(word.dataset.start));
    else if (when !== null) {
      event.preventDefault();
      this.jump(Number(when.parentElement.dataset.start));
    } else if (bar !== null) {
      const box = bar.getBoundingClientRect();
      const length = this.player?.duration || Number(this.passages.at(-1)?.dataset.end ?? 0);
      this.jump(length * clamp((event.clientX - box.left) / box.width, 0, 1));
    }
  }

  jump(second) {
    history.replaceState(null, "", `?t=${second.toFixed(1)}`);
    this.seek(second);
  }

  async quote(passage) {
    const chosen = getSelection();
    const isPart = !chosen.isCollapsed && passage.contains(chosen.anchorNode) && passage.contains(chosen.focusNode);
    const text = isPart ? chosen.toString() : passage.querySelector(".said").textContent;
    const link = passage.dataset.link || new URL(passage.querySelector(".when").getAttribute("href"), location.href).href;
    const title = this.article.querySelector("h1").textContent;
    const parts = [this.speaker(passage), title, passage.querySelector(".when").textContent].filter(Boolean);
    const copied = document.querySelector("[data-copied]");
    const wrote = await navigator.clipboard.writeText(`“${text.trim()}”\n${parts.join(", ")}\n${link}`).then(() => true, () => false);
    copied.textContent = wrote ? "The quote is copied." : "This browser does not allow copying.";
    setTimeout(() => { copied.textContent = ""; }, COPIED_MS);
  }

  speaker(passage) {
    let at = passage;
    while (at !== null && at.querySelector(".who") === null) at = at.previousElementSibling;
    return at?.querySelector(".who").textContent ?? "";
  }

  step(by) {
    const index = clamp(this.passages.indexOf(this.active) + by, 0, this.passages.length - 1);
    if (this.site !== null || this.player !== null) this.seek(this.starts[index], this.player?.paused === false);
    this.show(index, true);
    this.active?.scrollIntoView({ block: "center" });
  }

  get keys() {
    const moves = { ArrowUp: () => this.step(-1), ArrowDown: () => this.step(1) };
    if (this.player === null) return moves;
    const skip = (by) => () => this.seek(clamp(this.player.currentTime + by, 0, this.player.duration || 0), !this.player.paused);
    return {
      ...moves,
      " ": () => (this.player.paused ? this.player.play().catch(() => {}) : this.player.pause()),
      ArrowLeft: skip(-SKIP_S),
      ArrowRight: skip(SKIP_S),
      f: () => this.follow.click(),
    };
  }
}

// Plays the sample of a voice; where the audio is not kept, its link opens the recording.
function samples() {
  const player = new Audio();
  let active = null;
  const stop = () => {
    player.pause();
    active?.classList.remove("playing");
    active = null;
  };
  player.addEventListener("timeupdate", () => { if (active !== null && player.currentTime >= Number(active.dataset.end)) stop(); });
  player.addEventListener("ended", stop);
  player.addEventListener("error", () => { if (active !== null) location.href = active.href; });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-sample]");
    if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const again = link === active;
    stop();
    if (again) return;
    active = link;
    link.classList.add("playing");
    player.src = `${link.dataset.sample}#t=${link.dataset.start}`;
    player.play().catch(() => {}); // an error event follows where it cannot
  });
}

async function live() {
  if (document.hidden || document.querySelector("dialog[open]") !== null) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (answer === null || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
  const shown = document.querySelector("[data-live]");
  if (fresh !== null && fresh.innerHTML !== shown.innerHTML && !shown.contains(document.activeElement)) shown.replaceWith(fresh);
}

const article = document.querySelector("[data-recording]");
const recording = article === null ? null : new Recording(article);
keyboard(recording?.keys ?? {});
if (document.querySelector("[data-sample]") !== null) samples();
if (document.querySelector("[data-live]") !== null) setInterval(live, STATUS_MS);
