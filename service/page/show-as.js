// How to do by program what was just done on the page.
import { BASE, hasKey, query } from "./api.js";
import { html, useState } from "./html.js";

const LANGUAGES = ["curl", "Python", "JavaScript"];

/** @param done {kind: "image" | "clip" | "live", file, parameters} */
export function ShowAs({ done }) {
  const [language, setLanguage] = useState(LANGUAGES[0]);
  const [copied, setCopied] = useState(false);
  const text = TEXTS[language](done);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return html`
    <details class="show-as">
      <summary>Show as code</summary>
      <div class="row" role="group" aria-label="Language">
        ${LANGUAGES.map((name) => html`<button type="button" aria-pressed=${name === language} onClick=${() => setLanguage(name)}>${name}</button>`)}
        ${navigator.clipboard && html`<button type="button" class="quiet" onClick=${copy}>${copied ? "Copied" : "Copy"}</button>`}
      </div>
      <pre tabindex="0" aria-label=${`${language} code`}><code>${text}</code></pre>
    </details>`;
}

const url = (path, parameters = {}) => new URL(path, BASE).href + query(parameters);
const path = (done) => (done.kind === "image" ? "v1/images" : "v1/clips");

function curl(done) {
  const key = hasKey() ? ` \\\n  -H "Authorization: Bearer $KINEPOSE_KEY"` : "";
  if (done.kind === "live") {
    return `# One session, then a frame after the other (over WebSocket it is quicker: see Python)
curl -X POST ${url("v1/sessions")}${key} \\
  -H 'Content-Type: application/json' -d '${JSON.stringify(done.parameters)}'
curl --data-binary @frame.jpg -H 'Content-Type: image/jpeg'${key} \\
  ${url("v1/sessions/SESSION_ID/frames")}`;
  }
  return `curl --data-binary '@${done.file}' -H 'Content-Type: ${done.type}'${key} \\
  '${url(path(done), done.parameters)}'`;
}

function python(done) {
  const headers = hasKey() ? `headers = {"Authorization": f"Bearer {os.environ['KINEPOSE_KEY']}"}` : "headers = {}";
  const imports = hasKey() ? "import os\n" : "";
  if (done.kind === "live") return pythonLive(done, imports, headers);
  const read = done.kind === "image"
    ? `for person in reply.json()["people"]:\n    print(person["track_id"], person["joints"])`
    : `for frame in reply.json()["frames"]:\n    print(frame["pts_us"], [person["joints"] for person in frame.get("people", [])])`;
  return `${imports}from pathlib import Path

import httpx

${headers}
reply = httpx.post(
    "${url(path(done))}",
    params=${JSON.stringify(done.parameters)},
    content=Path(${JSON.stringify(done.file)}).read_bytes(),
    headers={**headers, "Content-Type": "${done.type}"},
    timeout=None,
)
reply.raise_for_status()
${read}`;
}

const pythonLive = (done, imports, headers) => `import json
${imports}from pathlib import Path

import httpx
from websockets.sync.client import connect

${headers}
options = ${JSON.stringify(done.parameters)}
session = httpx.post("${url("v1/sessions")}", json=options, headers=headers).raise_for_status().json()
address = f"${url("v1/sessions/").replace(/^http/, "ws")}{session['session_id']}/stream"
with connect(address, additional_headers=headers) as stream:
    for picture in sorted(Path("frames").glob("*.jpg")):
        stream.send(picture.read_bytes())
        print(json.loads(stream.recv())["people"])`;

function javascript(done) {
  const headers = hasKey() ? `{ Authorization: \`Bearer \${key}\` }` : "{}";
  if (done.kind === "live") return javascriptLive(done, headers);
  return `// \`file\` is a File, as an <input type="file"> gives it
const reply = await fetch("${url(path(done), done.parameters)}", {
  method: "POST",
  headers: ${headers.replace("{ ", `{ "Content-Type": file.type, `).replace("{}", `{ "Content-Type": file.type }`)},
  body: file,
});
if (!reply.ok) throw new Error((await reply.json()).detail);
${done.kind === "image" ? "const { people } = await reply.json();" : "const { clip, frames } = await reply.json();"}`;
}

const javascriptLive = (done, headers) => `const session = await (await fetch("${url("v1/sessions")}", {
  method: "POST",
  headers: ${headers},
  body: JSON.stringify(${JSON.stringify(done.parameters)}),
})).json();
const stream = new WebSocket(
  \`${url("v1/sessions/").replace(/^http/, "ws")}\${session.session_id}/stream\`${hasKey() ? `,\n  ["kinepose", \`kinepose.bearer.\${key}\`],` : ""}
);
stream.onmessage = (message) => console.log(JSON.parse(message.data).people);
stream.onopen = () => stream.send(jpegBlob); // one binary message a frame`;

const TEXTS = { curl, Python: python, JavaScript: javascript };
