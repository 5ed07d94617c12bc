// A file from a dialog, or dropped on it.
import { html, useRef, useState } from "./html.js";

export function FileChooser({ label, accept, disabled, onFile }) {
  const input = useRef(null);
  const [over, setOver] = useState(false);
  const choose = (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // the same file may be chosen again
    if (file) onFile(file);
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    const [file] = event.dataTransfer.files;
    if (file && !disabled) onFile(file);
  };
  const drag = (event) => {
    event.preventDefault();
    setOver(true);
  };
  return html`
    <div class=${`chooser ${over ? "over" : ""}`} onDragOver=${drag} onDragLeave=${() => setOver(false)} onDrop=${drop}>
      <button type="button" class="primary" disabled=${disabled} onClick=${() => input.current.click()}>${label}</button>
      <span class="hint"> or drop it here</span>
      <input ref=${input} type="file" accept=${accept} hidden onChange=${choose} aria-label=${label} />
    </div>`;
}
