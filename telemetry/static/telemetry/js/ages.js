// Counts the ages in the page on. The server's clock decides: the browser's may be wrong.

const STEPS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
const SYMBOLS = { day: "d", hour: "h", minute: "min", second: "s" };
const relative = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });
let ahead_ms = 0;

export function setServerTime(date) {
  const server = Date.parse(date);
  if (!Number.isNaN(server)) ahead_ms = server + 500 - Date.now();
}

export function showAges() {
  const now = Date.now() + ahead_ms;
  for (const element of document.querySelectorAll("time[data-age]")) {
    const seconds = Math.max(0, Math.floor((now - Date.parse(element.dateTime)) / 1000));
    const [unit, size] = STEPS.find(([, length]) => seconds >= length) ?? ["second", 1];
    const count = Math.floor(seconds / size);
    const isShort = element.dataset.age === "short";
    const text = isShort ? `${count}\u00a0${SYMBOLS[unit]}` : relative.format(-count, unit);
    if (element.textContent !== text) element.textContent = text;
  }
}
