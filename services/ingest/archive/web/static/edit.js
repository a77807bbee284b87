// Lets a reader with the right to change something correct the words of a passage where they stand.
"use strict";

const LONGEST = 500; // letters of a correction

// What was changed in a text, in whole words: the words as they were and as they are, and where they begin. Null: nothing.
// A correction has words on both sides: where some were only put in or left out, it has a neighbour, too.
function changedWords(before, after) {
  const was = [...before.matchAll(/\S+/g)];
  const now = after.match(/\S+/g) ?? [];
  let first = 0;
  while (first < was.length && first < now.length && was[first][0] === now[first]) first += 1;
  let wasEnd = was.length;
  let nowEnd = now.length;
  while (wasEnd > first && nowEnd > first && was[wasEnd - 1][0] === now[nowEnd - 1]) {
    wasEnd -= 1;
    nowEnd -= 1;
  }
  if (now.length === 0 || (wasEnd === first && nowEnd === first)) return null;
  if (wasEnd === first || nowEnd === first) {
    if (first > 0) first -= 1;
    else {
      wasEnd += 1;
      nowEnd += 1;
    }
  }
  const expected = was.slice(first, wasEnd).map((word) => word[0]).join(" ");
  return { expected, replacement: now.slice(first, nowEnd).join(" "), at: was[first].index };
}

// The second at which a letter of a passage is said.
function secondOf(passage, at) {
  let end = 0;
  for (const [number, word] of (recording.words?.[recording.passages.indexOf(passage)] ?? []).entries()) {
    end += word.text.length + (number > 0 ? word.before.length : 0);
    if (end > at) return word.start_s;
  }
  return Number(passage.dataset.start);
}

function correct(passage) {
  const said = passage.querySelector(".said");
  if (said.hidden) return;
  const form = document.getElementById("fix").content.cloneNode(true).querySelector("form");
  const field = form.querySelector("textarea");
  const text = said.textContent;
  const close = () => {
    form.remove();
    said.hidden = false;
    passage.querySelector("[data-correct]").focus();
  };
  field.value = text;
  said.hidden = true;
  said.after(form);
  field.focus();
  form.querySelector("[data-cancel]").addEventListener("click", close);
  form.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  form.addEventListener("submit", (event) => {
    const change = changedWords(text, field.value);
    const fits = change !== null && Math.max(change.expected.length, change.replacement.length) <= LONGEST;
    if (fits) {
      form.elements.namedItem("at_s").value = secondOf(passage, change.at);
      form.elements.namedItem("expected").value = change.expected;
      form.elements.namedItem("replacement").value = change.replacement;
      return;
    }
    event.preventDefault();
    const reason = change === null ? "Nothing was changed." : "Change fewer words at once.";
    form.querySelector("[role=status]").textContent = reason;
  });
}

for (const button of document.querySelectorAll("[data-correct]")) {
  button.hidden = false;
  button.addEventListener("click", () => correct(button.closest(".passage")));
}
