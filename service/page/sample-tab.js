// The bundled clip with what was read of it when this version was made: nothing is sent, nothing is computed.
import { BASE } from "./api.js";
import { ClipView } from "./clip-view.js";
import { html, useCallback, useEffect, useMemo, useState } from "./html.js";
import { VideoPlayer } from "./player.js";
import { serverFiles } from "./save.js";
import { Failure } from "./status.js";

const DONE = { kind: "clip", file: "service/demo/clip.mp4", type: "video/mp4", parameters: {} };
const CLIP = new URL("page/sample.mp4", BASE).href;

export function SampleTab({ view, onView, server, active }) {
  const [sample, setSample] = useState(null);
  const [error, setError] = useState(null);
  const makePlayer = useCallback((frames, onChange) => new VideoPlayer(CLIP, frames, onChange), []);

  useEffect(() => {
    fetch(new URL("page/sample.json", BASE)).then((response) => response.json()).then(setSample, setError);
  }, []);

  const files = useMemo(() => serverFiles(server.formats, (format) => `page/sample/${format}`), [server]);
  if (!sample) return html`<p>${error ? "" : "Loading the sample …"}</p><${Failure} error=${error} />`;
  return html`
    <p>A rendered person, read by <code>${sample.frames[0].model.name} ${sample.frames[0].model.version}</code>. Nobody's camera or file is asked for yet.</p>
    <${ClipView} makePlayer=${makePlayer} frames=${sample.frames} document=${sample} name="kinepose-sample" remote=${files} done=${DONE}
      view=${view} onView=${onView} autoplay active=${active} />`;
}
