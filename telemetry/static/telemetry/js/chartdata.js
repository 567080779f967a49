// From the server's data (exact decimals as text) to Chart.js's datasets (numbers).

import { choosePoints, styleOf } from "./series.js";
import { readColour } from "./colours.js";

const MOST_MARKED = 40;

const toNumber = (text) => (text === null ? null : Number(text));

export function readChartData(id) {
  const element = document.getElementById(id);
  return element === null ? null : JSON.parse(element.textContent);
}

export function isBars(chartData) {
  return (
    chartData.show === "consumption" &&
    chartData.series.length === 1 &&
    ["hour", "day"].includes(chartData.resolution)
  );
}

export function makeDatasets(chartData) {
  return chartData.series.flatMap((series, index) => {
    const main = isBars(chartData) ? makeBars(chartData, series) : makeLine(chartData, series, index);
    const isBand = series.low !== undefined && chartData.series.length === 1 && chartData.resolution !== "reading";
    return isBand ? [main, ...makeBand(chartData, series)] : [main];
  });
}

function makeLine(chartData, series, index) {
  const { colour, dash, shape } = styleOf(index);
  const isOnly = chartData.series.length === 1;
  const isDense = chartData.at.length > MOST_MARKED || !isOnly;
  return {
    type: "line",
    label: series.name,
    exact: series.values,
    data: join(chartData.at, series.values),
    borderColor: colour,
    backgroundColor: colour,
    borderDash: dash,
    borderWidth: 2,
    pointStyle: shape,
    pointRadius: choosePoints(series.values, index, { isDense, isOnly }),
    pointHoverRadius: 5,
    pointHitRadius: 8,
    spanGaps: false,
    tension: 0,
  };
}

function makeBars(chartData, series) {
  const { colour } = styleOf(0);
  return {
    type: "bar",
    label: series.name,
    exact: series.values,
    data: join(chartData.at, series.values),
    backgroundColor: colour,
    hoverBackgroundColor: readColour("--text"),
    categoryPercentage: 1,
    barPercentage: 0.82,
    minBarLength: 1,
  };
}

// Between the least and the most reading; not part of the legend, but of the tooltip.
function makeBand(chartData, series) {
  const edge = { type: "line", pointRadius: 0, pointHitRadius: 0, borderWidth: 0, spanGaps: false, isEdge: true };
  const colour = readColour("--band");
  return [
    { ...edge, label: "high", data: join(chartData.at, series.high), exact: series.high, fill: "+1", backgroundColor: colour },
    { ...edge, label: "low", data: join(chartData.at, series.low), exact: series.low, fill: false },
  ];
}

function join(positions, values) {
  return positions.map((x, at) => ({ x, y: toNumber(values[at]) }));
}
