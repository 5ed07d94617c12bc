// The page: header, tabs, key dialog.
import { BASE } from "./api.js";
import { CameraTab } from "./camera-tab.js";
import { VIEW } from "./controls.js";
import { html, useEffect, useState } from "./html.js";
import { KeyDialog } from "./key-dialog.js";
import { PictureTab } from "./picture-tab.js";
import { SampleTab } from "./sample-tab.js";
import { learnSkeletons } from "./skeleton.js";
import { Failure } from "./status.js";
import { Tabs } from "./tabs.js";
import { VideoTab } from "./video-tab.js";

const TABS = [
  { id: "camera", label: "Camera", Panel: CameraTab },
  { id: "video", label: "Video file", Panel: VideoTab },
  { id: "picture", label: "Picture", Panel: PictureTab },
  { id: "sample", label: "Sample", Panel: SampleTab },
];

export function App() {
  const [selected, setSelected] = useState("sample");
  const [seen, setSeen] = useState(new Set(["sample"]));
  const [view, setView] = useState(VIEW);
  const [server, setServer] = useState(null);
  const [error, setError] = useState(null);

  useEffect(() => {
    fetch(new URL("page/server.json", BASE)).then((response) => response.json()).then((known) => {
      learnSkeletons(known.skeletons);
      setServer(known);
    }, () => setError(new Error("The server does not answer. Reload the page once it does.")));
  }, []);
  const select = (id) => {
    setSelected(id);
    setSeen(new Set([...seen, id]));
  };

  return html`
    <header>
      <img src="page/icon.svg" alt="" width="36" height="36" />
      <div><h1>Kinepose</h1><p>Human joints from video</p></div>
      <nav aria-label="Documentation"><a href="docs">API</a> <a href="redoc">Reference</a></nav>
    </header>
    <main>
      <${Failure} error=${error} />
      ${server && html`<${Tabs} tabs=${TABS} selected=${selected} seen=${seen} onSelect=${select}
        panelProps=${{ view, onView: setView, server }} />`}
    </main>
    <footer><p>Everything on this page comes from this server, and goes to it alone.</p></footer>
    <${KeyDialog} />`;
}
