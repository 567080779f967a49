// Puts parts that were fetched in the place of those in the page. What a person uses stays as it is:
// the focus, open details, how far a table is scrolled.

// Ages differ in every answer and are counted on in the page: they are no change.
function readShown(part) {
  const copy = part.cloneNode(true);
  for (const age of copy.querySelectorAll("time[data-age]")) age.replaceChildren();
  return copy.outerHTML;
}

const findPart = (name) => document.querySelector(`[data-part="${CSS.escape(name)}"]`);
const shown = new Map(
  [...document.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, readShown(part)]),
);

function pathTo(element, part) {
  const steps = [];
  for (let node = element; node !== part; node = node.parentElement) {
    steps.unshift([...node.parentElement.children].indexOf(node));
  }
  return steps;
}

const follow = (part, steps) => steps.reduce((node, step) => node?.children[step], part);

function remember(part) {
  const active = document.activeElement;
  const isInside = active !== part && part.contains(active);
  return {
    focus: isInside ? { path: pathTo(active, part), href: active.getAttribute("href") } : null,
    open: [...part.querySelectorAll("details[id]")].filter((one) => one.open).map((one) => one.id),
    scrolls: [...part.querySelectorAll(".table-wrap")].map((one) => [one.scrollLeft, one.scrollTop]),
  };
}

function restore(part, saved) {
  for (const id of saved.open) part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  part.querySelectorAll(".table-wrap").forEach((one, at) => {
    [one.scrollLeft, one.scrollTop] = saved.scrolls[at] ?? [0, 0];
  });
  if (saved.focus === null) return;
  const { path, href } = saved.focus;
  const same = href === null ? null : part.querySelector(`[href="${CSS.escape(href)}"]`);
  (same ?? follow(part, path))?.focus({ preventScroll: true });
}

// The names of the parts that changed.
export function swapParts(html) {
  const fetched = new DOMParser().parseFromString(html, "text/html");
  const changed = [];
  for (const part of fetched.querySelectorAll("[data-part]")) {
    const name = part.dataset.part;
    const current = findPart(name);
    const now = readShown(part);
    if (current === null || shown.get(name) === now) continue;
    const saved = remember(current);
    Object.assign(current.dataset, part.dataset);
    current.replaceChildren(...part.childNodes);
    restore(current, saved);
    shown.set(name, now);
    changed.push(name);
  }
  return changed;
}
