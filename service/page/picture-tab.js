// One picture: read at once, kept nowhere.
import { json, query } from "./api.js";
import { Controls, PeopleField } from "./controls.js";
import { FileChooser } from "./file-chooser.js";
import { html, useState } from "./html.js";
import { said } from "./people.js";
import { RegionField } from "./region-field.js";
import { Save } from "./save.js";
import { ShowAs } from "./show-as.js";
import { Stage } from "./stage.js";
import { Failure, Status } from "./status.js";
import { JointTable } from "./table.js";

export function PictureTab({ view, onView, server }) {
  const [maxPeople, setMaxPeople] = useState(1);
  const [read, setRead] = useState(null); // {file, bitmap, reply, parameters}
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);

  const estimate = async (file, people, region = null) => {
    setBusy(true);
    setError(null);
    try {
      const parameters = { max_people: people, ...(region && { region: region.map((value) => value.toFixed(1)).join(",") }) };
      const options = { method: "POST", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file };
      const reply = await json(`v1/images${query(parameters)}`, options);
      setRead({ file, bitmap: await createImageBitmap(file).catch(() => null), reply, parameters });
    } catch (failed) {
      setError(failed);
    }
    setBusy(false);
  };
  const changePeople = (people) => {
    setMaxPeople(people);
    if (read) estimate(read.file, people);
  };

  return html`
    <div class="row">
      <${FileChooser} label="Choose a picture" accept="image/jpeg,image/png,image/webp,image/bmp" disabled=${busy} onFile=${(file) => estimate(file, maxPeople)} />
      <${PeopleField} value=${maxPeople} most=${server.max_people} onChange=${changePeople} disabled=${busy} />
    </div>
    <p class="hint">JPEG, PNG, WebP or BMP, up to ${Math.floor(server.max_image_bytes / 2 ** 20)} MiB. The server keeps nothing of it.</p>
    <${Failure} error=${error} />
    <${Status}>${busy ? "Reading the picture." : read && said(read.reply)}<//>
    ${read && html`
      <div class="view">
        <div class="main">
          <${Stage} picture=${read.bitmap} reply=${read.reply} version=${read.reply} view=${view}
            onRegion=${(box) => estimate(read.file, maxPeople, box)} onSearch=${() => estimate(read.file, maxPeople)} />
          <${RegionField} onRegion=${(box) => estimate(read.file, maxPeople, box)} onSearch=${() => estimate(read.file, maxPeople)}>
            Or drag a box around a person; Esc looks in the whole picture again.<//>
        </div>
        <div class="side">
          <${Controls} view=${view} onChange=${onView} still />
          <${Save} name=${read.file.name.replace(/\.[^.]*$/, "")} results=${{ document: read.reply, frames: [read.reply] }} />
        </div>
        <div class="below">
          <${ShowAs} done=${{ kind: "image", file: read.file.name, type: read.file.type, parameters: read.parameters }} />
          <${JointTable} reply=${read.reply} />
        </div>
      </div>`}`;
}
