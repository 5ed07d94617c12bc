// Asks for an API key, after the server has said that it wants one.
import { onKeyNeeded } from "./api.js";
import { html, useEffect, useRef, useState } from "./html.js";

export function KeyDialog() {
  const dialog = useRef(null);
  const answer = useRef(null);
  const [wasWrong, setWasWrong] = useState(false);

  useEffect(() => {
    onKeyNeeded((wrong) => {
      setWasWrong(wrong);
      dialog.current.querySelector("input").value = "";
      dialog.current.showModal();
      return new Promise((resolve) => (answer.current = resolve));
    });
  }, []);

  const done = (key) => {
    answer.current?.(key);
    answer.current = null;
    dialog.current.close();
  };
  const onSubmit = (event) => {
    event.preventDefault();
    done(event.target.elements.key.value.trim() || null);
  };

  return html`
    <dialog ref=${dialog} aria-labelledby="key-title" onCancel=${() => done(null)}>
      <form onSubmit=${onSubmit}>
        <h2 id="key-title">This server wants an API key</h2>
        ${wasWrong && html`<p class="error" role="alert">The server does not know that key.</p>`}
        <label>API key <input name="key" type="password" autocomplete="off" spellcheck=${false} required /></label>
        <p class="hint">It stays in this page's memory and is gone when you leave. Operators make keys with
          <code>kinepose keys new</code>.</p>
        <div class="row end">
          <button type="button" onClick=${() => done(null)}>Cancel</button>
          <button class="primary">Use it</button>
        </div>
      </form>
    </dialog>`;
}
