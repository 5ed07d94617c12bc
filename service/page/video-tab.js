// A video file: sent to the server, read there as a job, played here with its joints.
import { ClipView } from "./clip-view.js";
import { PeopleField } from "./controls.js";
import { FileChooser } from "./file-chooser.js";
import { html, useCallback, useEffect, useRef, useState } from "./html.js";
import { ClipJob } from "./jobs.js";
import { VideoPlayer } from "./player.js";
import { serverFiles } from "./save.js";
import { Failure, Status } from "./status.js";

const PHASES = { sending: "Sending the clip", waiting: "Waiting for other clips", reading: "Reading joints" };

export function VideoTab({ view, onView, server, active }) {
  const [maxPeople, setMaxPeople] = useState(1);
  const [progress, setProgress] = useState(null);
  const [read, setRead] = useState(null); // {file, url, result, parameters}
  const [error, setError] = useState(null);
  const job = useRef(null);

  const run = async (file, region = null) => {
    await job.current?.cancel();
    const parameters = { max_people: maxPeople, ...(region && { region: region.map((value) => value.toFixed(1)).join(",") }) };
    const mine = (job.current = new ClipJob(file, parameters, setProgress));
    setError(null);
    setRead(null);
    setProgress({ phase: "sending", share: 0 });
    try {
      const result = await mine.run();
      if (result) setRead({ file, url: URL.createObjectURL(file), result, parameters, id: mine.id });
    } catch (failed) {
      if (!mine.cancelled) setError(failed);
    }
    if (job.current === mine) setProgress(null);
  };
  const forget = async () => {
    await job.current?.forget();
    setRead(null);
  };
  const makePlayer = useCallback((frames, onChange) => new VideoPlayer(read.url, frames, onChange), [read?.url]);
  useEffect(() => () => read && URL.revokeObjectURL(read.url), [read?.url]);

  const minutes = Math.round(server.clip_result_ttl_s / 60);
  return html`
    <div class="row">
      <${FileChooser} label="Choose a video" accept="video/*,.mkv,.ts" disabled=${progress !== null} onFile=${run} />
      <${PeopleField} value=${maxPeople} most=${server.max_people} onChange=${setMaxPeople} disabled=${progress !== null} />
    </div>
    <p class="hint">Up to ${gib(server.max_clip_bytes)} GiB and ${Math.round(server.max_clip_s / 60)} minutes. The server keeps the clip and its joints for ${minutes} minutes, or until you clear them away.</p>
    <${Failure} error=${error} />
    ${progress && html`<${Progress} progress=${progress} onCancel=${() => job.current.cancel()} />`}
    ${read && !progress && html`
      <${ClipView} makePlayer=${makePlayer} frames=${read.result.frames} document=${read.result} name=${stem(read.file.name)}
        remote=${remoteFiles(read.id, server.formats)} view=${view} onView=${onView} active=${active}
        done=${{ kind: "clip", file: read.file.name, type: read.file.type || "application/octet-stream", parameters: read.parameters }}
        onRegion=${(box) => run(read.file, box)} onSearch=${() => read.parameters.region && run(read.file)}>
        <${Facts} clip=${read.result.clip} />
        <button type="button" onClick=${forget}>Clear it away at the server</button>
      <//>`}`;
}

function Progress({ progress, onCancel }) {
  const text = PHASES[progress.phase];
  const share = progress.share === null ? undefined : progress.share;
  return html`
    <div class="progress">
      <label>${text} <progress max="1" value=${share}></progress></label>
      <span>${share === undefined ? "" : `${Math.round(100 * share)} %`}</span>
      <button type="button" onClick=${onCancel}>Cancel</button>
      <${Status} unseen>${text}${share === undefined ? "" : `, ${10 * Math.floor(10 * share)} %`}.<//>
    </div>`;
}

function Facts({ clip }) {
  const gaps = clip.gaps.length ? ` It is not whole in ${clip.gaps.length} ${clip.gaps.length === 1 ? "place" : "places"}.` : "";
  return html`<p class="hint">${clip.frames_emitted} frames, ${clip.codec}.${gaps}</p>`;
}

/** What the server makes of a kept clip. */
const remoteFiles = (id, formats) => [
  ...serverFiles(formats, (format) => `v1/clips/${id}/poses?format=${format}`),
  { label: "MP4 with joints", what: "the clip with its people drawn", ending: "-joints.mp4", path: `v1/clips/${id}/overlay.mp4` },
];

const stem = (name) => name.replace(/\.[^.]*$/, "");
const gib = (bytes) => (bytes / 2 ** 30).toFixed(bytes % 2 ** 30 ? 1 : 0);
