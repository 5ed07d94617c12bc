// What happens, said to everybody and no more often than ears bear it.
import { html, useThrottled } from "./html.js";

const SAID_EVERY_MS = 2000;

/** A line that screen readers read out when it changes; `unseen` where eyes have it already. */
export function Status({ children, unseen }) {
  const text = useThrottled([children].flat().filter(Boolean).join(""), SAID_EVERY_MS);
  return html`<p class=${unseen ? "unseen" : "status"} role="status">${text}</p>`;
}

/** An error, said at once. */
export function Failure({ error, onRetry }) {
  if (!error) return null;
  return html`
    <div class="failure" role="alert">
      <p>${error.message}${error.code && html` <code>${error.code}</code>`}</p>
      ${onRetry && html`<button type="button" onClick=${onRetry}>Try again</button>`}
    </div>`;
}

/** Figures beside each other. */
export function Figures({ figures }) {
  return html`
    <dl class="figures">
      ${Object.entries(figures).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>`;
}
