// From the server's data (exact decimals as text) to Chart.js's datasets (numbers).

import { choosePoints, styleOf } from "./series.js";
import { readColour } from "./colours.js";
import { makeHatch } from "./gaps.js";

const MOST_MARKED = 40;

const toNumber = (text) => (text === null ? null : Number(text));

export function readChartData(id) {
  const element = document.getElementById(id);
  return element === null ? null : JSON.parse(element.textContent);
}

// Consumption is bars, those of several devices on top of each other; a level is a line.
export function isBars(chartData) {
  return chartData.show === "consumption";
}

// Hours and days lie side by side; single readings are as wide as their neighbours leave room.
const widthOf = ({ resolution }) =>
  ["hour", "day"].includes(resolution) ? {} : { barThickness: "flex", maxBarThickness: 18 };

export function makeDatasets(chartData) {
  const before = chartData.before ? [isBars(chartData) ? makeOutline(chartData) : makeEarlier(chartData)] : [];
  const expected = isBars(chartData) && chartData.expected?.length > 0 ? [makeExpected(chartData)] : [];
  return before.concat(makeSeries(chartData), expected);
}

function makeSeries(chartData) {
  return chartData.series.flatMap((series, index) => {
    const main = isBars(chartData) ? makeBars(chartData, series, index) : makeLine(chartData, series, index);
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

function makeBars(chartData, series, index) {
  const { colour } = styleOf(index, series.name === chartData.other);
  const isOnly = chartData.series.length === 1;
  return {
    type: "bar",
    isMain: true,
    label: series.name,
    exact: series.values,
    data: join(chartData.at, series.values),
    backgroundColor: ({ chart, dataIndex }) => fillOf(chart, chartData, series, { index, at: dataIndex }),
    hoverBackgroundColor: readColour("--text"),
    borderColor: ({ dataIndex }) => (chartData.suspect?.includes(dataIndex) ? readColour("--bad") : colour),
    borderWidth: ({ dataIndex }) => (isOnly ? borderOf(chartData, series, dataIndex) : { top: 1 }),
    ...(isOnly ? { minBarLength: 1, grouped: false } : { borderColor: readColour("--raised"), stack: "devices", borderSkipped: false }),
    ...widthOf(chartData),
    categoryPercentage: 1,
    barPercentage: 0.82,
    order: 1,
  };
}

// Measured: solid. In progress: soft. Estimated: hatched.
function fillOf(chart, chartData, series, { index, at }) {
  const { colour } = styleOf(index, series.name === chartData.other);
  if (series.estimated?.[at]) return makeHatch(chart.ctx, colour, soften(colour));
  return at === chartData.current ? soften(colour) : colour;
}

const soften = (colour) => `color-mix(in srgb, ${colour} 35%, ${readColour("--raised")})`;

function borderOf(chartData, series, index) {
  if (chartData.suspect?.includes(index)) return 3;
  return index === chartData.current || series.estimated?.[index] ? 1 : 0;
}

// Days to come, as usual for their weekdays.
function makeExpected({ expected }) {
  return {
    type: "bar",
    label: "expected",
    isEdge: true,
    data: expected.map(([x, value]) => ({ x, y: Number(value) })),
    backgroundColor: readColour("--expect"),
    borderColor: readColour("--outline"),
    borderWidth: { top: 1 },
    stack: "expected",
    grouped: false,
    categoryPercentage: 1,
    barPercentage: 0.82,
    order: 3,
  };
}

// The same weekdays of an earlier time, behind.
function makeOutline(chartData) {
  const { label, values, at = chartData.at } = chartData.before;
  return {
    type: "bar",
    label,
    exact: values,
    data: join(at, values),
    backgroundColor: "transparent",
    hoverBackgroundColor: "transparent",
    borderColor: readColour("--outline"),
    borderWidth: 1,
    ...widthOf(chartData),
    categoryPercentage: 1,
    barPercentage: 0.96,
    grouped: false,
    order: 2,
  };
}

// An earlier time, moved to here: a thin line behind.
function makeEarlier({ before: { label, values, at, labels } }) {
  return {
    type: "line",
    label,
    labels,
    exact: values,
    data: join(at, values),
    borderColor: readColour("--outline"),
    backgroundColor: readColour("--outline"),
    borderDash: [4, 3],
    borderWidth: 1.5,
    pointRadius: 0,
    spanGaps: false,
    order: 2,
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
