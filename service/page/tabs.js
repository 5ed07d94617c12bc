// Tabs as the ARIA pattern has them: arrows, Home and End move between them.
import { html, useRef } from "./html.js";

/** @param tabs [{id, label, Panel}]; panels once shown stay, so that nothing is lost by looking elsewhere */
export function Tabs({ tabs, selected, seen, onSelect, panelProps }) {
  const list = useRef(null);
  const onKeyDown = (event) => {
    const at = tabs.findIndex((tab) => tab.id === selected);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs[to % tabs.length].id;
    onSelect(next);
    list.current.querySelector(`#tab-${next}`).focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label="What to read" ref=${list} onKeyDown=${onKeyDown}>
      ${tabs.map(({ id, label }) => html`
        <button type="button" role="tab" id=${`tab-${id}`} aria-controls=${`panel-${id}`} aria-selected=${id === selected}
          tabindex=${id === selected ? 0 : -1} onClick=${() => onSelect(id)}>${label}</button>`)}
    </div>
    ${tabs.map(({ id, Panel }) => html`
      <div role="tabpanel" id=${`panel-${id}`} aria-labelledby=${`tab-${id}`} hidden=${id !== selected}>
        ${seen.has(id) && html`<${Panel} active=${id === selected} ...${panelProps} />`}
      </div>`)}`;
}
