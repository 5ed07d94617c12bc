// A clip as a job of the server: sent with progress, watched, cancelled, cleared away.
import { ApiError, BASE, Unreachable, call, json, keyHeaders, query } from "./api.js";

const POLL_MS = 400;

/** One clip at the server. `onProgress({phase: "sending" | "waiting" | "reading", share})`; share may be null. */
export class ClipJob {
  constructor(file, parameters, onProgress) {
    this.file = file;
    this.parameters = parameters;
    this.onProgress = onProgress;
    this.id = null;
    this.cancelled = false;
    this.request = null;
  }

  /** The result: {clip, frames}; null after `cancel`. Raises ApiError, Unreachable. */
  async run() {
    await call("v1/models"); // asks for a key before a large file is sent in vain
    if (this.cancelled) return null;
    const job = await this.send();
    if (!job) return null;
    this.id = job.id;
    return (await this.watch()) ? json(`v1/clips/${this.id}/poses`) : null;
  }

  async cancel() {
    this.cancelled = true;
    this.request?.abort();
    await this.forget();
  }

  /** Clear away what the server keeps of it. */
  async forget() {
    const id = this.id;
    this.id = null;
    if (id) await call(`v1/clips/${id}`, { method: "DELETE" }).catch(() => {}); // it goes by itself, too
  }

  /** XMLHttpRequest, since fetch does not tell how much has been sent. */
  send() {
    const request = (this.request = new XMLHttpRequest());
    request.open("POST", new URL(`v1/clips${query(this.parameters)}`, BASE));
    const headers = { ...keyHeaders(), "Content-Type": this.file.type || "application/octet-stream", Prefer: "respond-async" };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => this.onProgress({ phase: "sending", share: loaded / total });
    return new Promise((resolve, reject) => {
      request.onload = () => (request.status === 202 ? resolve(request.response) : reject(new ApiError(request.response ?? { status: request.status })));
      request.onerror = () => reject(new Unreachable());
      request.onabort = () => resolve(null);
      request.send(this.file);
    });
  }

  /** True once it is done; false where it was cancelled. */
  async watch() {
    while (!this.cancelled) {
      const job = await json(`v1/clips/${this.id}`).catch((error) => {
        if (this.cancelled) return null;
        throw error;
      });
      if (!job || this.cancelled) return false;
      if (job.status === "failed") throw new ApiError(job.error);
      if (job.status === "done") return true;
      this.onProgress({ phase: job.status === "queued" ? "waiting" : "reading", share: job.progress });
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return false;
  }
}
