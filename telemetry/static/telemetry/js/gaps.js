// Stretches without readings, hatched behind the chart: a gap is not a zero.

import { readColour } from "./colours.js";

export function makeHatch(context, colour, ground) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  if (ground) {
    pen.fillStyle = ground;
    pen.fillRect(0, 0, 8, 8);
  }
  pen.strokeStyle = colour;
  pen.lineWidth = ground ? 2 : 1;
  pen.beginPath();
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

export const gaps = {
  id: "gaps",
  beforeDatasetsDraw(chart) {
    const stretches = chart.options.plugins.gaps?.stretches ?? [];
    if (stretches.length === 0) return;
    const { ctx, chartArea, scales } = chart;
    ctx.save();
    ctx.fillStyle = makeHatch(ctx, readColour("--gap"));
    for (const [since, until] of stretches) {
      const left = Math.max(scales.x.getPixelForValue(since), chartArea.left);
      const right = Math.min(scales.x.getPixelForValue(until), chartArea.right);
      if (right > left) ctx.fillRect(left, chartArea.top, right - left, chartArea.height);
    }
    ctx.restore();
  },
};
