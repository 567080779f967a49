// How lines are told apart: by colour, by dashes and by the shape of their points.

import { readColour } from "./colours.js";

const COLOURS = 6;
const SHAPES = ["circle", "rect", "triangle", "rectRot", "crossRot", "cross"];
const POINTS_SHOWN = 12;

// What is not told apart has a colour of its own.
export const OTHER = { colour: "--series-other", dash: [], shape: "circle" };

export function styleOf(index, isOther = false) {
  if (isOther) return { ...OTHER, colour: readColour(OTHER.colour) };
  return {
    colour: readColour(`--series-${(index % COLOURS) + 1}`),
    dash: index < COLOURS ? [] : [5, 3],
    shape: SHAPES[index % COLOURS],
  };
}

// A point stands alone when both neighbours are missing: without a mark nothing of it would be seen.
// Of the others a few carry the shape of their line, at other indexes than those of the next line.
export function choosePoints(values, index, { isDense, isOnly }) {
  const step = Math.max(1, Math.ceil(values.length / POINTS_SHOWN));
  return values.map((value, at) => {
    if (value === null) return 0;
    const isAlone = (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null;
    const isMarked = !isOnly && at % step === (index * 2) % step;
    return isAlone || !isDense || isMarked ? 3.5 : 0;
  });
}
