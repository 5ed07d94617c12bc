// Play, pause and scrub through frames; the strip above the slider shows how sure each frame is.
import { html, useEffect, useRef } from "./html.js";
import { scoreOf } from "./people.js";

const WIDEST = 2000; // columns of the strip; of a longer clip's frames, the last of each column is seen
const NOBODY = "#5b6472";

/** Colour of a score: dark red is low, green is high. */
export function colourOf(score) {
  if (score === null) return NOBODY;
  return `hsl(${Math.round(130 * Math.min(1, Math.max(0, score)))} 65% 45%)`;
}

export function Timeline({ frames, index, playing, onIndex, onPlay }) {
  const strip = useRef(null);
  useEffect(() => drawStrip(strip.current, frames), [frames]);
  const at = frames[index];
  return html`
    <div class="timeline">
      <button type="button" class="play" onClick=${onPlay} aria-pressed=${playing}>${playing ? "Pause" : "Play"}</button>
      <div class="track">
        <canvas ref=${strip} height="1" aria-hidden="true"></canvas>
        <input type="range" min="0" max=${Math.max(frames.length - 1, 0)} value=${index} aria-label="Frame"
          aria-valuetext=${`frame ${index + 1} of ${frames.length}, ${seconds(at)}`} onInput=${(event) => onIndex(Number(event.target.value))} />
      </div>
      <span class="time">${seconds(at)} <small>frame ${index + 1}/${frames.length}</small></span>
    </div>
    <p class="hint strip-key"><span class="swatch low"></span> unsure <span class="swatch high"></span> sure <span class="swatch nobody"></span> nobody</p>`;
}

const seconds = (frame) => `${((frame?.pts_us ?? 0) / 1e6).toFixed(2)} s`;

function drawStrip(canvas, frames) {
  canvas.width = Math.min(Math.max(frames.length, 1), WIDEST);
  const context = canvas.getContext("2d");
  frames.forEach((frame, index) => {
    context.fillStyle = colourOf(scoreOf(frame));
    context.fillRect(Math.floor((index * canvas.width) / frames.length), 0, 1, 1);
  });
}
