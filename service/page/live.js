// Frames of a camera to the server and its answers back: over WebSocket, one frame in flight, the newest next.
import { BASE, currentKey, json, posted } from "./api.js";

const QUALITY = 0.88;
const SHORTEST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8000;
const PASSING = new Set([429, 503]); // it is full, or starts or ends: worth another try
const RATE_WINDOW_MS = 2000;

/**
 * One camera's stream. Calls `on.answer({reply, bitmap, blob})` for each frame, with the very picture that was sent;
 * `on.state(text)` when the connection comes or goes; `on.error(error)` once it cannot go on.
 */
export class Live {
  constructor(video, parameters, on) {
    this.video = video;
    this.parameters = parameters;
    this.on = on;
    this.canvas = new OffscreenCanvas(1, 1);
    this.region = null;
    this.inFlight = null;
    this.capturing = false;
    this.fresh = false;
    this.stopped = false;
    this.searching = false;
    this.session = null;
    this.socket = null;
    this.skipped = 0;
    this.answered = []; // times of answers
    this.roundTripMs = null;
    this.began = performance.now();
  }

  start() {
    const camera = () => {
      if (this.stopped) return;
      if (this.fresh) this.skipped += 1; // the frame before this one was never sent
      this.fresh = true;
      this.send();
      this.video.requestVideoFrameCallback(camera);
    };
    this.video.requestVideoFrameCallback(camera);
    return this.connect();
  }

  async stop() {
    this.stopped = true;
    this.socket?.close();
    await this.endSession();
  }

  /** Read the person in this box from the next frame on. */
  setRegion(box) {
    this.region = box;
  }

  /** Forget whom it followed: another session looks in the whole picture. */
  async searchAgain() {
    this.region = null;
    this.searching = true;
    this.on.state("Looking for people again.");
    const socket = this.socket;
    await this.endSession();
    socket?.close();
  }

  figures() {
    const now = performance.now();
    this.answered = this.answered.filter((at) => now - at < RATE_WINDOW_MS);
    const seconds = Math.min(RATE_WINDOW_MS, now - this.began) / 1000;
    return { fps: this.answered.length / seconds, roundTripMs: this.roundTripMs, skipped: this.skipped };
  }

  async connect() {
    let pause = SHORTEST_PAUSE_MS;
    while (!this.stopped) {
      try {
        this.session = await this.liveSession();
        if (this.stopped) return this.endSession();
        if (await this.stream()) pause = SHORTEST_PAUSE_MS;
      } catch (error) {
        if (!PASSING.has(error.status) && error.code !== "unreachable") return this.on.error(error);
      }
      if (this.stopped) return;
      if (this.searching) {
        this.searching = false;
        continue;
      }
      this.on.state("The connection was lost; trying again.");
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }

  /** The session from before where the server still has it, else a new one. */
  async liveSession() {
    const known = this.session;
    this.session = null;
    if (known) {
      try {
        return await json(`v1/sessions/${known.session_id}`);
      } catch (error) {
        if (error.status !== 404 && error.status !== 410) {
          this.session = known;
          throw error;
        }
      }
    }
    return json("v1/sessions", posted({ ...this.parameters, drop_policy: "drop_latest" }));
  }

  async endSession() {
    const session = this.session;
    this.session = null;
    if (session) await json(`v1/sessions/${session.session_id}`, { method: "DELETE" }).catch(() => {}); // it expires, too
  }

  /** One connection, until it ends; true where frames were answered on it. */
  stream() {
    const url = new URL(`v1/sessions/${this.session.session_id}/stream`, BASE);
    url.protocol = url.protocol.replace("http", "ws");
    const key = currentKey();
    const socket = (this.socket = new WebSocket(url, key ? ["kinepose", `kinepose.bearer.${key}`] : ["kinepose"]));
    let answers = 0;
    return new Promise((resolve) => {
      socket.onopen = () => {
        this.inFlight = null;
        this.on.state("Live.");
        this.send();
      };
      socket.onmessage = ({ data }) => {
        answers += 1;
        this.onReply(JSON.parse(data));
      };
      socket.onclose = () => {
        this.inFlight = null;
        resolve(answers > 0);
      };
    });
  }

  /** Send the camera's newest frame, unless one is on its way. */
  async send() {
    if (!this.fresh || this.inFlight || this.capturing || this.socket?.readyState !== WebSocket.OPEN) return;
    this.capturing = true;
    this.fresh = false;
    const socket = this.socket;
    const bitmap = await createImageBitmap(this.video);
    const blob = await this.encoded(bitmap);
    const bytes = await blob.arrayBuffer();
    this.capturing = false;
    if (socket !== this.socket || socket.readyState !== WebSocket.OPEN) return;
    const said = { pts_us: Math.round(1000 * (performance.now() - this.began)) };
    if (this.region) said.region = this.region;
    this.region = null;
    socket.send(JSON.stringify(said));
    socket.send(bytes);
    this.inFlight = { bitmap, blob, at: performance.now() };
  }

  encoded(bitmap) {
    const { canvas } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  }

  onReply(reply) {
    const sent = this.inFlight;
    this.inFlight = null;
    this.send();
    if (!sent || reply.outcome === undefined) return; // an error that ends the stream; it is told by what follows
    const now = performance.now();
    this.answered.push(now);
    const took = now - sent.at;
    this.roundTripMs = this.roundTripMs === null ? took : this.roundTripMs + 0.1 * (took - this.roundTripMs);
    if (reply.outcome === "dropped") this.skipped += 1;
    if (reply.error?.code === "frame_size_changed") this.searchAgain(); // the device was turned
    this.on.answer({ reply, bitmap: sent.bitmap, blob: sent.blob });
  }
}
