// A period chosen by dragging over a chart: the page of that period is opened, so that "back" works.
// With the keyboard the links beside the chart do the same.

const LEAST_PX = 8;
const SHORTEST_MS = 60_000;

function attach(figure) {
  let current = null;
  let start = null;
  const band = document.createElement("div");
  band.className = "zoom-band";
  band.hidden = true;
  figure.append(band);

  const clamp = (x) => Math.min(Math.max(x, current.chartArea.left), current.chartArea.right);
  const positionOf = (event) => clamp(event.clientX - current.canvas.getBoundingClientRect().left);

  function show(from, to) {
    const { offsetLeft, offsetTop } = current.canvas;
    band.style.left = `${offsetLeft + Math.min(from, to)}px`;
    band.style.width = `${Math.abs(to - from)}px`;
    band.style.top = `${offsetTop + current.chartArea.top}px`;
    band.style.height = `${current.chartArea.height}px`;
    band.hidden = Math.abs(to - from) < LEAST_PX;
  }

  function open(from, to) {
    const [since, until] = [from, to].sort((a, b) => a - b).map((x) => current.scales.x.getValueForPixel(x));
    if (until - since < SHORTEST_MS) return;
    const write = (ms) => new Date(ms).toISOString().replace(/\.\d+/, "");
    const separator = figure.dataset.zoom.includes("?") ? "&" : "?";
    location.assign(`${figure.dataset.zoom}${separator}since=${write(since)}&until=${write(until)}`);
  }

  figure.addEventListener("chart:rendered", ({ detail }) => (current = detail.chart));
  figure.addEventListener("pointerdown", (event) => {
    if (current === null || event.button !== 0) return;
    start = positionOf(event);
    figure.setPointerCapture(event.pointerId);
  });
  figure.addEventListener("pointermove", (event) => start === null || show(start, positionOf(event)));
  figure.addEventListener("pointercancel", cancel);
  figure.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [from, to] = [start, positionOf(event)];
    cancel();
    if (Math.abs(to - from) >= LEAST_PX) open(from, to);
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && cancel());

  function cancel() {
    start = null;
    band.hidden = true;
  }
}

document.querySelectorAll("[data-chart][data-zoom]").forEach(attach);
