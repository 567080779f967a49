// The one line of a page that tells whether it is up to date. It is a polite status: a screen reader
// speaks when it changes, so it changes seldom.

const line = document.querySelector("[data-live-note]");
const RECOVERED_MS = 8_000;
let last = "";
let timer = null;
const announced = new Map();

export function showStatus(status) {
  if (line === null || status === last || (last === "" && status === "recovered")) return;
  last = status;
  clearTimeout(timer);
  line.replaceChildren(line.dataset[status]);
  line.dataset.state = status;
  if (status === "signedOut") line.append(" ", makeLink());
  if (status === "recovered") {
    timer = setTimeout(() => {
      line.replaceChildren();
      delete line.dataset.state;
      last = "";
    }, RECOVERED_MS);
  }
}

// What parts announce is announced only when it changed: not with every message that comes.
export function announceChanges(parts) {
  for (const name of parts) {
    const text = document.querySelector(`[data-part="${CSS.escape(name)}"]`)?.dataset.announce;
    if (text === undefined) continue;
    if (announced.has(name) && announced.get(name) !== text && last === "") announce(text);
    announced.set(name, text);
  }
}

function makeLink() {
  const link = document.createElement("a");
  link.href = `${line.dataset.signInUrl}?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = line.dataset.signIn;
  return link;
}

function announce(text) {
  const announcement = document.createElement("span");
  announcement.className = "visually-hidden";
  announcement.textContent = text;
  line.replaceChildren(announcement);
}

for (const part of document.querySelectorAll("[data-part][data-announce]")) {
  announced.set(part.dataset.part, part.dataset.announce);
}
