// The one line of a page that says whether it is up to date. It is a polite status: a screen reader
// speaks when it changes, so it changes seldom.

const note = document.querySelector("[data-live-note]");
const RECOVERED_MS = 8_000;
let last = "";
let timer = null;
const announced = new Map();

export function say(word) {
  if (note === null || word === last || (last === "" && word === "recovered")) return;
  last = word;
  clearTimeout(timer);
  note.replaceChildren(note.dataset[word]);
  note.dataset.state = word;
  if (word === "signedOut") note.append(" ", makeLink());
  if (word === "recovered") {
    timer = setTimeout(() => {
      note.replaceChildren();
      delete note.dataset.state;
      last = "";
    }, RECOVERED_MS);
  }
}

// What parts announce is spoken only when it changed: not with every message that comes.
export function sayOnce(parts) {
  for (const name of parts) {
    const text = document.querySelector(`[data-part="${CSS.escape(name)}"]`)?.dataset.announce;
    if (text === undefined) continue;
    if (announced.has(name) && announced.get(name) !== text && last === "") speak(text);
    announced.set(name, text);
  }
}

function makeLink() {
  const link = document.createElement("a");
  link.href = `${note.dataset.signInUrl}?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = note.dataset.signIn;
  return link;
}

function speak(text) {
  const spoken = document.createElement("span");
  spoken.className = "visually-hidden";
  spoken.textContent = text;
  note.replaceChildren(spoken);
}

for (const part of document.querySelectorAll("[data-part][data-announce]")) {
  announced.set(part.dataset.part, part.dataset.announce);
}
