// The camera, live: its frames go to the server, each answer is drawn on the frame that it is of.
import { cameras, openCamera } from "./camera.js";
import { ClipView } from "./clip-view.js";
import { Controls, PeopleField } from "./controls.js";
import { html, useEffect, useMemo, useRef, useState, useThrottled } from "./html.js";
import { Live } from "./live.js";
import { said } from "./people.js";
import { Player } from "./player.js";
import { Plots } from "./plots.js";
import { Recording } from "./recording.js";
import { RegionField } from "./region-field.js";
import { ShowAs } from "./show-as.js";
import { Smoother } from "./smooth.js";
import { Stage } from "./stage.js";
import { Failure, Figures, Status } from "./status.js";
import { JointTable } from "./table.js";

const PLOTTED = 300; // frames of a live stream

export function CameraTab({ view, onView, server, active }) {
  const [maxPeople, setMaxPeople] = useState(1);
  const [phase, setPhase] = useState("idle"); // idle, starting, live, stopped
  const [state, setState] = useState("");
  const [error, setError] = useState(null);
  const [devices, setDevices] = useState([]);
  const [latest, setLatest] = useState(null); // {reply, bitmap, figures}
  const current = useRef(null); // {live, stream, recording}
  const parameters = { max_people: maxPeople };

  const start = async (deviceId) => {
    setError(null);
    setPhase("starting");
    try {
      const stream = await openCamera(deviceId);
      setDevices(await cameras());
      const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: stream });
      await video.play();
      begin(stream, video);
    } catch (failed) {
      setError(failed);
      setPhase("idle");
    }
  };

  const begin = (stream, video) => {
    const recording = new Recording();
    const live = new Live(video, parameters, {
      state: setState,
      answer: ({ reply, bitmap, blob }) => {
        recording.add(reply, blob);
        setLatest({ reply, bitmap, figures: live.figures() });
      },
      error: (failed) => {
        setError(failed);
        stop();
      },
    });
    current.current = { live, stream, recording };
    setLatest(null);
    setPhase("live");
    live.start();
  };

  const stop = () => {
    const { live, stream } = current.current;
    live.stop();
    for (const track of stream.getTracks()) track.stop();
    setState("");
    setPhase(current.current.recording.frames.length ? "stopped" : "idle");
  };
  useEffect(() => void (!active && phase === "live" && stop()), [active]);

  const running = phase === "live" || phase === "starting";
  return html`
    <div class="row">
      <button type="button" class="primary" disabled=${phase === "starting"} onClick=${running ? stop : () => start()}>
        ${running ? "Stop the camera" : "Start the camera"}</button>
      <${PeopleField} value=${maxPeople} most=${server.max_people} onChange=${setMaxPeople} disabled=${running} />
      ${devices.length > 1 && html`<${CameraChoice} devices=${devices} disabled=${running} onChange=${start} />`}
    </div>
    <p class="hint">Nothing is sent before you start. Frames go to this server alone, which keeps no picture; what it remembers of whom it follows
      goes when you stop, at the latest after ${Math.round(server.session_ttl_s / 60)} minutes. This page keeps the last minutes in its memory, to look at and to save.</p>
    <${Failure} error=${error} />
    ${phase === "live" && html`<${LiveView} latest=${latest} state=${state} current=${current.current} view=${view} onView=${onView} parameters=${parameters} />`}
    ${phase === "stopped" && html`<${Recorded} recording=${current.current.recording} view=${view} onView=${onView} parameters=${parameters} active=${active} />`}`;
}

function CameraChoice({ devices, disabled, onChange }) {
  return html`
    <label>Camera
      <select disabled=${disabled} onChange=${(event) => onChange(event.target.value)}>
        ${devices.map((device) => html`<option value=${device.deviceId}>${device.label}</option>`)}
      </select>
    </label>`;
}

function LiveView({ latest, state, current, view, onView, parameters }) {
  const { live, recording } = current;
  const smoother = useMemo(() => new Smoother(), [view.smooth, live]);
  const reply = useMemo(() => (view.smooth && latest ? smoother.next(latest.reply) : latest?.reply), [latest]);
  const slow = useThrottled(reply, 500);
  const seldom = useThrottled(latest, 1000);
  const plots = useMemo(() => html`<${Plots} frames=${recording.frames.slice(-PLOTTED)} hideBelow=${view.hideBelow} />`, [seldom, view.hideBelow]);
  return html`
    <div class="view">
      <div class="main">
        <${Stage} picture=${latest?.bitmap} reply=${reply} version=${latest} view=${view}
          onRegion=${(box) => live.setRegion(box)} onSearch=${() => live.searchAgain()} />
        <${LiveFigures} latest=${latest} />
        <${RegionField} onRegion=${(box) => live.setRegion(box)} onSearch=${() => live.searchAgain()}>
          Or drag a box around a person to follow them; Esc looks in the whole picture again.<//>
        <${Status}>${state} ${said(slow)}<//>
      </div>
      <div class="side">
        <${Controls} view=${view} onChange=${onView} />
      </div>
      <div class="below">
        <div class="column">${plots}<${ShowAs} done=${{ kind: "live", parameters }} /></div>
        <${JointTable} reply=${slow} />
      </div>
    </div>`;
}

function LiveFigures({ latest }) {
  const figures = useThrottled(latest?.figures, 500);
  if (!figures) return null;
  const { fps, roundTripMs, skipped } = figures;
  return html`<${Figures} figures=${{ "frames/s": fps.toFixed(1), "round trip": `${Math.round(roundTripMs)} ms`, dropped: skipped }} />`;
}

function Recorded({ recording, view, onView, parameters, active }) {
  const frames = useMemo(() => recording.frames.filter((frame) => frame.people), [recording]);
  const makePlayer = useMemo(() => {
    const places = recording.frames.flatMap((frame, place) => (frame.people ? [place] : []));
    return (replies, onChange) => new Player(replies, onChange, async (index) => recording.picture(places[index]));
  }, [recording]);
  return html`
    <${ClipView} makePlayer=${makePlayer} frames=${frames} document=${{ frames }} name="kinepose-camera" view=${view} onView=${onView}
      done=${{ kind: "live", parameters }} active=${active} />`;
}
