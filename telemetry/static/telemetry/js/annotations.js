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

export const annotations = {
  id: "annotations",
  beforeDatasetsDraw(chart) {
    const { weekends = [] } = chart.options.plugins.annotations;
    chart.ctx.save();
    drawWeekends(chart, weekends);
    chart.ctx.restore();
  },
  afterDatasetsDraw(chart) {
    const { limits = [], marks = [], caption = "" } = chart.options.plugins.annotations;
    const { ctx } = chart;
    ctx.save();
    ctx.font = FONT;
    ctx.fillStyle = readColour("--muted");
    ctx.fillText(caption, 0, 12);
    drawLimits(chart, limits);
    drawMarks(chart, marks);
    ctx.restore();
  },
};
