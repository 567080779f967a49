// Renders each figure with `data-chart` from the data in the page, again when the data or the theme changes.

import { isBars, makeDatasets, readChartData } from "./chartdata.js";
import { annotations } from "./annotations.js";
import { gaps } from "./gaps.js";
import { onThemeChange, readColour } from "./colours.js";

const language = document.documentElement.lang || "en";
const exactly = new Intl.NumberFormat(language, { maximumFractionDigits: 10 });
const briefly = new Intl.NumberFormat(language, { maximumSignificantDigits: 5, notation: "compact" });

const MOST_NAMED = 62;

const limitsOf = (chartData) => (chartData.limits ?? []).map(([value]) => Number(value));

// With their values: bars alone, of which the sheet outlines them.
function suspectsOf(chartData) {
  if (!isBars(chartData) || chartData.at.length > MOST_NAMED) return [];
  return (chartData.suspect ?? []).map((index) => [index, briefly.format(chartData.series[0]?.values[index] ?? 0)]);
}

function makeScales(chartData) {
  const muted = readColour("--muted");
  const grid = { color: readColour("--grid"), drawTicks: false };
  const border = { display: false };
  const labels = new Map(chartData.ticks);
  return {
    x: {
      type: "linear",
      stacked: isBars(chartData) && chartData.series.length > 1,
      min: chartData.since,
      max: chartData.until,
      offset: false,
      grid,
      border,
      afterBuildTicks: (axis) => (axis.ticks = chartData.ticks.map(([value]) => ({ value }))),
      ticks: { color: muted, padding: 6, maxRotation: 0, autoSkipPadding: 12, callback: (value) => labels.get(value) },
    },
    y: {
      stacked: isBars(chartData) && chartData.series.length > 1,
      beginAtZero: chartData.show === "consumption",
      grace: chartData.show === "consumption" ? 0 : "5%",
      grid,
      border,
      suggestedMin: Math.min(...limitsOf(chartData)),
      suggestedMax: Math.max(...limitsOf(chartData)),
      ticks: { color: muted, padding: 6, maxTicksLimit: 6, callback: (value) => briefly.format(value) },
    },
  };
}

function describePoint(chartData, item) {
  const { dataset, dataIndex } = item;
  const format = (text) => `${exactly.format(text)}\u00a0${chartData.unit}`;
  const series = chartData.series.find(({ name }) => name === dataset.label);
  const value = `${dataset.label}: ${format(dataset.exact[dataIndex])}`;
  if (series?.low === undefined || series.low[dataIndex] === series.high[dataIndex]) return value;
  return `${value} (${exactly.format(series.low[dataIndex])} \u2013 ${exactly.format(series.high[dataIndex])})`;
}

function makeOptions(chartData) {
  return {
    animation: false,
    layout: { padding: { top: 34 } },
    responsive: true,
    maintainAspectRatio: false,
    normalized: true,
    parsing: false,
    interaction: isBars(chartData) ? { mode: "index", intersect: false } : { mode: "nearest", axis: "xy", intersect: false },
    scales: makeScales(chartData),
    plugins: {
      legend: { display: false },
      gaps: { stretches: chartData.gaps ?? [] },
      annotations: {
        weekends: chartData.weekends ?? [],
        limits: chartData.limits ?? [],
        marks: chartData.marks ?? [],
        suspects: suspectsOf(chartData),
        caption: chartData.caption,
      },
      tooltip: {
        filter: ({ dataset }) => !dataset.isEdge,
        usePointStyle: true,
        callbacks: {
          title: (items) => (items.length > 0 ? (items[0].dataset.labels ?? chartData.labels)[items[0].dataIndex] : ""),
          label: (item) => describePoint(chartData, item),
        },
      },
    },
  };
}

class ChartFigure {
  constructor(figure) {
    this.figure = figure;
    this.canvas = figure.querySelector("canvas");
    this.chart = null;
  }

  render() {
    const chartData = readChartData(this.figure.dataset.chart);
    this.figure.hidden = chartData === null || chartData.series.length === 0;
    this.chart?.destroy();
    this.chart = null;
    if (this.figure.hidden) return;
    this.canvas.setAttribute("aria-label", chartData.summary);
    this.chart = new window.Chart(this.canvas, {
      type: isBars(chartData) ? "bar" : "line",
      data: { datasets: makeDatasets(chartData) },
      options: makeOptions(chartData),
      plugins: [gaps, annotations],
    });
    this.figure.dispatchEvent(new CustomEvent("chart:rendered", { detail: { chart: this.chart, chartData } }));
  }
}

const charts = [...document.querySelectorAll("[data-chart]")].map((figure) => new ChartFigure(figure));
const renderAll = () => charts.forEach((chart) => chart.render());
document.addEventListener("live:swapped", (event) => {
  if (event.detail.parts.includes("chart")) renderAll();
});
onThemeChange(renderAll);
renderAll();
