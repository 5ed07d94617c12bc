// What components are written with: templates by htm, drawn by preact.
import htm from "./vendor/htm/htm.mjs";
import { h, render } from "./vendor/preact/preact.mjs";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact/hooks.mjs";

export const html = htm.bind(h);
export { render, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState };

/** A value that follows `value` no more often than every `ms`, and always catches up: for what is costly to draw. */
export function useThrottled(value, ms) {
  const [shown, setShown] = useState(value);
  const due = useRef(0);
  useEffect(() => {
    const wait = Math.max(0, due.current - performance.now());
    const timer = setTimeout(() => {
      due.current = performance.now() + ms;
      setShown(value);
    }, wait);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return shown;
}
