// Keeps a page up to date: asks each address in `data-live` again and again while the page is seen, and
// swaps what changed. Shows when it cannot, and waits longer after each failure.

import { setServerTime, showAges } from "./ages.js";
import { showStatus, announceChanges } from "./status.js";
import { swapParts } from "./swap.js";

const LONGEST_WAIT_S = 60;
const TIMEOUT_MS = 20_000;

class Source {
  constructor(element) {
    this.url = element.dataset.live;
    this.every_s = Number(element.dataset.every);
    this.tag = element.dataset.tag ?? null;
    this.failures = 0;
    this.timer = null;
    this.isEnded = false;
    this.isAsking = false;
  }

  wait(seconds) {
    clearTimeout(this.timer);
    if (!this.isEnded && !document.hidden) this.timer = setTimeout(() => this.ask(), seconds * 1000);
  }

  pause() {
    clearTimeout(this.timer);
  }

  end(status) {
    this.isEnded = true;
    showStatus(status);
  }

  async ask() {
    if (this.isAsking || this.isEnded) return;
    this.isAsking = true;
    try {
      await this.fetchOnce();
      if (this.failures > 0) showStatus("recovered");
      this.failures = 0;
    } catch {
      this.failures += 1;
      showStatus(navigator.onLine ? "failed" : "offline");
    } finally {
      this.isAsking = false;
    }
    this.wait(Math.min(this.every_s * 2 ** this.failures, Math.max(LONGEST_WAIT_S, this.every_s)));
  }

  async fetchOnce() {
    const reply = await fetch(this.url, {
      headers: this.tag === null ? {} : { "If-None-Match": this.tag },
      cache: "no-store",
      credentials: "same-origin",
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (reply.type === "opaqueredirect") return this.end("signedOut");
    if ([401, 403, 404].includes(reply.status)) return this.end("gone");
    if (reply.status !== 304 && !reply.ok) throw new Error(`status ${reply.status}`);
    setServerTime(reply.headers.get("Date"));
    if (reply.status === 304) return undefined;
    this.tag = reply.headers.get("ETag");
    const parts = swapParts(await reply.text());
    if (parts.length > 0) {
      announceChanges(parts);
      document.dispatchEvent(new CustomEvent("live:swapped", { detail: { parts } }));
    }
    return undefined;
  }
}

const sources = [...document.querySelectorAll("[data-live]")].map((element) => new Source(element));

document.addEventListener("visibilitychange", () => {
  for (const source of sources) document.hidden ? source.pause() : source.ask();
});
window.addEventListener("online", () => sources.forEach((source) => source.ask()));
setInterval(() => document.hidden || showAges(), 1000);
sources.forEach((source) => source.wait(source.every_s));
