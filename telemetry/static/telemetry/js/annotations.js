// What is drawn behind and over a chart: its unit, weekends, limits, and marks of what happened.

import { readColour } from "./colours.js";

const FONT = "12px system-ui, sans-serif";

function drawWeekends({ ctx, chartArea, scales }, weekends) {
  ctx.fillStyle = readColour("--weekend");
  for (const [since, until] of weekends) {
    const left = Math.max(scales.x.getPixelForValue(since), chartArea.left);
    const right = Math.min(scales.x.getPixelForValue(until), chartArea.right);
    if (right > left) ctx.fillRect(left, chartArea.top, right - left, chartArea.height);
  }
}

function drawLimits({ ctx, chartArea, scales }, limits) {
  ctx.strokeStyle = ctx.fillStyle = readColour("--bad");
  ctx.setLineDash([5, 4]);
  ctx.lineWidth = 1.5;
  for (const [value, text] of limits) {
    const y = scales.y.getPixelForValue(Number(value));
    if (y < chartArea.top || y > chartArea.bottom) continue;
    ctx.beginPath();
    ctx.moveTo(chartArea.left, y);
    ctx.lineTo(chartArea.right, y);
    ctx.stroke();
    ctx.fillText(text, chartArea.left + 6, y - 5);
  }
}

// Words of neighbours take turns in two rows, so that they do not cover each other.
function drawMarks({ ctx, chartArea, scales }, marks) {
  ctx.strokeStyle = ctx.fillStyle = readColour("--text");
  ctx.setLineDash([3, 3]);
  ctx.lineWidth = 1;
  marks.forEach(([at, text], index) => {
    const x = scales.x.getPixelForValue(at);
    if (x < chartArea.left || x > chartArea.right) return;
    const width = ctx.measureText(text).width;
    const left = Math.min(Math.max(x - width / 2, chartArea.left), chartArea.right - width);
    ctx.beginPath();
    ctx.moveTo(x, chartArea.top - 4);
    ctx.lineTo(x, chartArea.bottom);
    ctx.stroke();
    ctx.fillText(text, left, chartArea.top - 8 - (index % 2) * 13);
  });
}

// A triangle and the value over a bar that somebody should decide, where there is room.
function drawSuspects(chart, suspects) {
  const { ctx } = chart;
  ctx.fillStyle = readColour("--bad");
  ctx.setLineDash([]);
  for (const [index, text] of suspects) {
    const bar = chart.getDatasetMeta(chart.data.datasets.findIndex(({ isMain }) => isMain)).data[index];
    if (bar === undefined) continue;
    const width = ctx.measureText(text).width;
    const left = Math.min(Math.max(bar.x - (width + 14) / 2, chart.chartArea.left), chart.chartArea.right - width - 14);
    ctx.beginPath();
    ctx.moveTo(left, bar.y - 6);
    ctx.lineTo(left + 10, bar.y - 6);
    ctx.lineTo(left + 5, bar.y - 15);
    ctx.fill();
    ctx.fillText(text, left + 14, bar.y - 6);
  }
}

export const annotations = {
  id: "annotations",
  beforeDatasetsDraw(chart) {
    const { weekends = [] } = chart.options.plugins.annotations;
    chart.ctx.save();
    drawWeekends(chart, weekends);
    chart.ctx.restore();
  },
  afterDatasetsDraw(chart) {
    const { limits = [], marks = [], suspects = [], caption = "" } = chart.options.plugins.annotations;
    const { ctx } = chart;
    ctx.save();
    ctx.font = FONT;
    ctx.fillStyle = readColour("--muted");
    ctx.fillText(caption, 0, 12);
    drawLimits(chart, limits);
    drawMarks(chart, marks);
    drawSuspects(chart, suspects);
    ctx.restore();
  },
};
