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
    chartData.lines.length === 1 &&
    ["hour", "day"].includes(chartData.resolution)
  );
}

export function makeDatasets(chartData) {
  return chartData.lines.flatMap((line, index) => {
    const main = isBars(chartData) ? makeBars(chartData, line) : makeLine(chartData, line, index);
    const isBand = line.low !== undefined && chartData.lines.length === 1 && chartData.resolution !== "reading";
    return isBand ? [main, ...makeBand(chartData, line)] : [main];
  });
}

function makeLine(chartData, line, index) {
  const { colour, dash, shape } = styleOf(index);
  const isOnly = chartData.lines.length === 1;
  const isDense = chartData.at.length > MOST_MARKED || !isOnly;
  return {
    type: "line",
    label: line.name,
    exact: line.values,
    data: join(chartData.at, line.values),
    borderColor: colour,
    backgroundColor: colour,
    borderDash: dash,
    borderWidth: 2,
    pointStyle: shape,
    pointRadius: choosePoints(line.values, index, { isDense, isOnly }),
    pointHoverRadius: 5,
    pointHitRadius: 8,
    spanGaps: false,
    tension: 0,
  };
}

function makeBars(chartData, line) {
  const { colour } = styleOf(0);
  return {
    type: "bar",
    label: line.name,
    exact: line.values,
    data: join(chartData.at, line.values),
    backgroundColor: colour,
    hoverBackgroundColor: readColour("--text"),
    categoryPercentage: 1,
    barPercentage: 0.82,
    minBarLength: 1,
  };
}

// Between the least and the most reading; not part of the legend, but of the tooltip.
function makeBand(chartData, line) {
  const edge = { type: "line", pointRadius: 0, pointHitRadius: 0, borderWidth: 0, spanGaps: false, isEdge: true };
  const colour = readColour("--band");
  return [
    { ...edge, label: "high", data: join(chartData.at, line.high), exact: line.high, fill: "+1", backgroundColor: colour },
    { ...edge, label: "low", data: join(chartData.at, line.low), exact: line.low, fill: false },
  ];
}

function join(positions, values) {
  return positions.map((x, at) => ({ x, y: toNumber(values[at]) }));
}
