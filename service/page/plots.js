// Joints and angles over time, by uPlot.
import { ANGLES, angleOver } from "./angles.js";
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { personIn, tracksOf } from "./people.js";
import { spoken } from "./skeleton.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

const HEIGHT = 190;
const XY = ["x", "y"];
const ANGLE = ["angle"];

/** @param at seconds of the frame that is shown, marked by a line; null marks none */
export function Plots({ frames, hideBelow, at = null }) {
  const tracks = useMemo(() => tracksOf(frames), [frames]);
  const names = useMemo(() => frames.find((frame) => frame.people?.length)?.people[0].joints.map((joint) => joint.name) ?? [], [frames]);
  const [joint, setJoint] = useState("right_wrist");
  const [angle, setAngle] = useState("right elbow");
  const [chosen, setTrack] = useState(null);
  const track = tracks.includes(chosen) ? chosen : tracks[0];
  const times = useMemo(() => frames.map((frame) => (frame.pts_us ?? 0) / 1e6), [frames]);
  const lines = useMemo(() => jointLines(frames, track, joint, hideBelow), [frames, track, joint, hideBelow]);
  const degrees = useMemo(() => [angleOver(frames, track, ANGLES.find(([name]) => name === angle), hideBelow)], [frames, track, angle, hideBelow]);
  if (!tracks.length) return null;
  return html`
    <section class="plots">
      <h3>Over time</h3>
      <div class="row">
        ${tracks.length > 1 && html`<${Choice} label="Person" value=${track} among=${tracks} onChange=${(value) => setTrack(Number(value))} />`}
        <${Choice} label="Joint" value=${joint} among=${names} spoken=${spoken} onChange=${setJoint} />
        <${Choice} label="Angle" value=${angle} among=${ANGLES.map(([name]) => name)} onChange=${setAngle} />
      </div>
      <${Plot} title=${`${spoken(joint)}, px`} times=${times} lines=${lines} labels=${XY} at=${at} />
      <${Plot} title=${`${angle}, degrees (180 is straight)`} times=${times} lines=${degrees} labels=${ANGLE} at=${at} />
      <p class="hint">Joints with a score below the one chosen above are left out. Angles are those between two bones, without a sign.</p>
    </section>`;
}

function jointLines(frames, track, name, hideBelow) {
  const points = frames.map((frame) => personIn(frame, track)?.joints.find((joint) => joint.name === name));
  const axis = (which) => points.map((point) => (point && point.score >= hideBelow ? point[which] : null));
  return [axis("x"), axis("y")];
}

function Choice({ label, value, among, onChange, spoken: say = String }) {
  return html`
    <label>${label}
      <select value=${value} onChange=${(event) => onChange(event.target.value)}>
        ${among.map((name) => html`<option value=${name} selected=${name === value}>${say(name)}</option>`)}
      </select>
    </label>`;
}

function Plot({ title, times, lines, labels, at }) {
  const place = useRef(null);
  const plot = useRef(null);
  const shown = useRef(null); // what the line marks, for uPlot to read when it draws
  const data = [times, ...lines];

  useEffect(() => {
    const room = place.current;
    const made = (plot.current = new uPlot(options(labels, room, shown), data, room));
    const fit = new ResizeObserver(() => made.setSize({ width: room.clientWidth, height: HEIGHT }));
    fit.observe(room);
    return () => {
      fit.disconnect();
      made.destroy();
    };
  }, [title]);
  useEffect(() => plot.current.setData(data), [times, lines]);
  useEffect(() => {
    shown.current = at;
    plot.current.redraw(false, false);
  }, [at]);

  return html`<figure class="plot"><figcaption>${title}</figcaption><div ref=${place} role="img" aria-label=${summary(title, lines, labels)}></div></figure>`;
}

function options(labels, place, shown) {
  const text = getComputedStyle(place).color;
  const axis = { stroke: text, grid: { stroke: "rgba(128, 140, 160, 0.25)" }, ticks: { stroke: "rgba(128, 140, 160, 0.4)" } };
  const series = labels.map((label, index) => ({
    label,
    stroke: ["#1f9e92", "#d9730d"][index],
    width: 2,
    dash: index ? [6, 4] : undefined,
    value: (_, value) => (value === null ? "–" : value.toFixed(1)),
  }));
  const scales = { x: { time: false } };
  const time = { label: "s", value: (_, value) => (value === null ? "–" : `${value.toFixed(2)} s`) };
  const hooks = { draw: [(plot) => shown.current !== null && markTime(plot, shown.current, text)] };
  return { width: place.clientWidth || 600, height: HEIGHT, scales, axes: [axis, axis], series: [time, ...series], hooks };
}

function markTime(plot, seconds, colour) {
  const x = Math.round(plot.valToPos(seconds, "x", true));
  plot.ctx.fillStyle = colour;
  plot.ctx.fillRect(x, plot.bbox.top, devicePixelRatio, plot.bbox.height);
}

/** What a plot shows, for those who do not see it. */
function summary(title, lines, labels) {
  const ranges = lines.map((line, index) => {
    const values = line.filter((value) => value !== null);
    if (!values.length) return `${labels[index]}: nothing`;
    const [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
    return `${labels[index]} from ${low.toFixed(0)} to ${high.toFixed(0)}`;
  });
  return `${title}: ${ranges.join(", ")}`;
}
