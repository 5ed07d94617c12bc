// A clip and what was read of it: play, scrub, plots, table, files.
import { Controls } from "./controls.js";
import { html, useEffect, useMemo, useRef, useState, useThrottled } from "./html.js";
import { said } from "./people.js";
import { Plots } from "./plots.js";
import { RegionField } from "./region-field.js";
import { Save } from "./save.js";
import { ShowAs } from "./show-as.js";
import { smoothed } from "./smooth.js";
import { Stage } from "./stage.js";
import { Status } from "./status.js";
import { JointTable } from "./table.js";
import { Timeline } from "./timeline.js";

/**
 * @param makePlayer (frames, onChange) => Player; another one begins anew
 * @param frames replies
 * @param onRegion, onSearch see Stage; a region belongs to the first frame
 * @param autoplay play once when it opens
 */
export function ClipView({ makePlayer, frames, document, name, remote, done, view, onView, onRegion, onSearch, autoplay, active, children }) {
  const player = useRef(null);
  const [shown, setShown] = useState({ index: 0, playing: false, picture: null, version: 0 });
  const drawn = useMemo(() => (view.smooth ? smoothed(frames) : frames), [frames, view.smooth]);

  useEffect(() => {
    const made = makePlayer(frames, () =>
      setShown(({ version }) => ({ index: made.index, playing: made.playing, picture: made.picture, failed: made.failed, version: version + 1 })),
    );
    player.current = made;
    made.open().then(() => autoplay && !prefersStillness() && made.play());
    return () => made.close();
  }, [makePlayer, frames]);
  useEffect(() => void (active || player.current?.pause()), [active]);

  const index = Math.min(shown.index, frames.length - 1);
  const reply = drawn[index];
  const slow = useThrottled(reply, 200);
  const at = slow ? (slow.pts_us ?? 0) / 1e6 : null;
  const plots = useMemo(() => html`<${Plots} frames=${drawn} hideBelow=${view.hideBelow} at=${at} />`, [drawn, view.hideBelow, at]);
  const toggle = () => (shown.playing ? player.current.pause() : player.current.play());
  if (!frames.length) return html`<p>There are no frames in it.</p>`;
  return html`
    <div class="view">
      <div class="main">
        <${Stage} picture=${shown.picture} reply=${reply} version=${shown.version} view=${view}
          onRegion=${onRegion && index === 0 ? onRegion : undefined} onSearch=${onSearch} />
        <${Timeline} frames=${frames} index=${index} playing=${shown.playing} onPlay=${toggle} onIndex=${(at) => player.current.seek(at)} />
        ${shown.failed && html`<p class="hint">This browser does not show the clip's pictures; its joints are whole.</p>`}
        <${Status}>${shown.playing ? "Playing." : said(reply)}<//>
        ${onRegion && html`
          <${RegionField} onRegion=${index === 0 ? onRegion : undefined} onSearch=${onSearch}>
            A region is that of a person in the first frame: go there, and give it here or drag a box. The clip is read again then; Esc looks in the whole picture.<//>`}
        ${children}
      </div>
      <div class="side">
        <${Controls} view=${view} onChange=${onView} />
        <${Save} name=${name} results=${{ document, frames }} remote=${remote} />
      </div>
      <div class="below">
        <div class="column">${plots}<${ShowAs} done=${done} /></div>
        <${JointTable} reply=${slow} />
      </div>
    </div>`;
}

const prefersStillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
