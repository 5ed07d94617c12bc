// Saves what was read: here where the page has it all, by the server where it keeps the clip.
import { call } from "./api.js";
import { html, useState } from "./html.js";
import { Failure } from "./status.js";

const OF_FRAME = ["frame", "pts_us", "time_s", "outcome"];
const OF_PERSON = ["track_id", "person_score", "region_source", "region_x", "region_y", "region_w", "region_h"];

const OWN = new Set(["json", "csv"]);
const LABELS = {
  ndjson: "NDJSON",
  dlc: "DeepLabCut",
  parquet: "Parquet",
  coco: "COCO",
  "coco-results": "COCO results",
  openpose: "OpenPose",
  "openpose-coco": "OpenPose (COCO order)",
  html: "Plots (HTML)",
  trc: "TRC",
};

/** Formats that the server makes, each at its path; JSON and CSV the page has itself. */
export const serverFiles = (formats, pathOf) =>
  formats.filter(({ name }) => !OWN.has(name)).map(({ name, what, ending }) => ({ label: LABELS[name] ?? name, what, ending, path: pathOf(name) }));

/** A row a person and frame, as the server's own CSV; a frame without anybody has one, too. */
export function csvOf(frames) {
  const names = frames.find((frame) => frame.people?.length)?.people[0].joints.map((joint) => joint.name) ?? [];
  const columns = [...OF_FRAME, ...OF_PERSON, ...names.flatMap((name) => [`${name}_x`, `${name}_y`, `${name}_score`])];
  const nobody = Array(columns.length - OF_FRAME.length).fill("");
  const rows = frames.flatMap((frame, index) => {
    const { seq = index, pts_us = null, outcome = "ok" } = frame;
    const start = [seq, pts_us ?? "", pts_us === null ? "" : pts_us / 1e6, outcome];
    const people = (frame.people ?? []).map((person) => [...start, ...personCells(person)]);
    return people.length ? people : [[...start, ...nobody]];
  });
  return [columns, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

const personCells = (person) => [
  ...[person.track_id, person.person_score, person.region_source, ...person.region],
  ...person.joints.flatMap((joint) => [joint.x, joint.y, joint.score]),
];

/** Hands a file to the browser. */
export function download(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * @param name of the files, without their ending
 * @param results {document: what JSON holds, frames}
 * @param remote [{label, what, ending, path}]: what the server makes
 */
export function Save({ name, results, remote = [] }) {
  const [busy, setBusy] = useState(null);
  const [error, setError] = useState(null);

  const fetchFile = async (file) => {
    setBusy(file.label);
    setError(null);
    try {
      download(`${name}${file.ending}`, await finished(file.path));
    } catch (failed) {
      setError(failed);
    }
    setBusy(null);
  };

  return html`
    <section class="save">
      <h3>Save</h3>
      <div class="row">
        <button type="button" onClick=${() => download(`${name}.json`, JSON.stringify(results.document), "application/json")}>JSON</button>
        <button type="button" onClick=${() => download(`${name}.csv`, csvOf(results.frames), "text/csv")}>CSV</button>
        ${remote.map((file) => html`
          <button type="button" title=${file.what} disabled=${busy !== null} onClick=${() => fetchFile(file)}>${busy === file.label ? `${file.label} …` : file.label}</button>`)}
      </div>
      <${Failure} error=${error} />
    </section>`;
}

async function finished(path) {
  const response = await call(path);
  return response.blob();
}
