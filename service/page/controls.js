// How what was read is shown: what is hidden, mirrored, smoothed.
import { html } from "./html.js";

export const VIEW = { hideBelow: 0.2, mirror: false, smooth: false };

/** @param still a picture of no video, which nothing is smooth in */
export function Controls({ view, onChange, still }) {
  const change = (part) => onChange({ ...view, ...part });
  return html`
    <fieldset class="controls">
      <legend>Show</legend>
      <label class="wide">
        <span>Hide joints with a score below <b>${view.hideBelow.toFixed(2)}</b></span>
        <input type="range" min="0" max="1" step="0.05" value=${view.hideBelow}
          onInput=${(event) => change({ hideBelow: Number(event.target.value) })} />
      </label>
      <label><input type="checkbox" checked=${view.mirror} onChange=${(event) => change({ mirror: event.target.checked })} /> Mirror</label>
      ${!still && html`<label><input type="checkbox" checked=${view.smooth} onChange=${(event) => change({ smooth: event.target.checked })} /> Smooth</label>`}
      <ul class="key" aria-label="Sides">
        <li class="left">left: round, whole lines</li>
        <li class="right">right: square, dashed lines</li>
      </ul>
    </fieldset>`;
}

/** How many people are asked for. */
export function PeopleField({ value, most, onChange, disabled }) {
  return html`
    <label>People, at most
      <input type="number" class="short" min="1" max=${most} value=${value} disabled=${disabled}
        onChange=${(event) => onChange(Math.min(Math.max(Math.round(Number(event.target.value)) || 1, 1), most))} />
    </label>`;
}
