// The region by keyboard: what dragging a box over the picture and Esc do.
import { html, useState } from "./html.js";

const FOUR = String.raw`\s*-?[\d.]+\s*,\s*-?[\d.]+\s*,\s*[\d.]+\s*,\s*[\d.]+\s*`;

/** @param onRegion see Stage; without it only searching again is offered */
export function RegionField({ onRegion, onSearch, children }) {
  const [text, setText] = useState("");
  const onSubmit = (event) => {
    event.preventDefault();
    onRegion(text.split(",").map(Number));
  };
  return html`
    <form class="row region" onSubmit=${onSubmit}>
      <label>Region
        <input value=${text} onInput=${(event) => setText(event.target.value)} pattern=${FOUR} required placeholder="x, y, width, height"
          title="Four numbers: left, top, width and height in pixels" size="18" disabled=${!onRegion} /></label>
      <button disabled=${!onRegion}>Look there</button>
      <button type="button" onClick=${onSearch}>Search again</button>
    </form>
    <p class="hint">${children}</p>`;
}
