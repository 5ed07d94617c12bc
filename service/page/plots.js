// Joints and angles over time, by uPlot.
import { ANGLES, angleOver } from "./angles.js";
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { personIn, tracksOf } from "./people.js";
import { spoken } from "./skeleton.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

const HEIGHT = 190;

export function Plots({ frames, hideBelow }) {
  const tracks = useMemo(() => tracksOf(frames), [frames, frames.length]);
  const names = useMemo(() => frames.find((frame) => frame.people?.length)?.people[0].joints.map((joint) => joint.name) ?? [], [frames, frames.length]);
  const [joint, setJoint] = useState("right_wrist");
  const [angle, setAngle] = useState("right elbow");
  const [chosen, setTrack] = useState(null);
  if (!tracks.length) return null;
  const track = tracks.includes(chosen) ? chosen : tracks[0];
  const times = frames.map((frame) => (frame.pts_us ?? 0) / 1e6);
  const degrees = angleOver(frames, track, ANGLES.find(([name]) => name === angle), hideBelow);
  const lines = jointLines(frames, track, joint, hideBelow);

  return html`
    <section class="plots">
      <h3>Over time</h3>
      <div class="row">
        ${tracks.length > 1 && html`<${Choice} label="Person" value=${track} among=${tracks} onChange=${(value) => setTrack(Number(value))} />`}
        <${Choice} label="Joint" value=${joint} among=${names} spoken=${spoken} onChange=${setJoint} />
        <${Choice} label="Angle" value=${angle} among=${ANGLES.map(([name]) => name)} onChange=${setAngle} />
      </div>
      <${Plot} title=${`${spoken(joint)}, px`} times=${times} lines=${lines} labels=${["x", "y"]} />
      <${Plot} title=${`${angle}, degrees (180 is straight)`} times=${times} lines=${[degrees]} labels=${["angle"]} />
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

function Plot({ title, times, lines, labels }) {
  const place = useRef(null);
  const plot = useRef(null);
  const data = [times, ...lines];

  useEffect(() => {
    const room = place.current;
    const made = (plot.current = new uPlot(options(title, labels, room), data, room));
    const fit = new ResizeObserver(() => made.setSize({ width: room.clientWidth, height: HEIGHT }));
    fit.observe(room);
    return () => {
      fit.disconnect();
      made.destroy();
    };
  }, [title]);
  useEffect(() => plot.current.setData(data), [times, lines]);

  return html`<figure class="plot"><figcaption>${title}</figcaption><div ref=${place} role="img" aria-label=${summary(title, lines, labels)}></div></figure>`;
}

function options(title, labels, place) {
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
  return { width: place.clientWidth || 600, height: HEIGHT, scales, axes: [axis, axis], series: [time, ...series] };
}

/** What a plot shows, for those who do not see it. */
function summary(title, lines, labels) {
  const ranges = lines.map((line, index) => {
    const values = line.filter((value) => value !== null);
    if (!values.length) return `${labels[index]}: nothing`;
    return `${labels[index]} from ${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`;
  });
  return `${title}: ${ranges.join(", ")}`;
}
