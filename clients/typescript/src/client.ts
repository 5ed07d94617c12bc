import { KineposeError, Unreachable, checked, reached } from "./errors.js";
import { lines } from "./lines.js";
import { FrameStream, type Picture } from "./stream.js";
import type {
  ClipInfo,
  ClipParams,
  Format,
  Frame,
  FrameParams,
  Image,
  ImageParams,
  Job,
  JobParams,
  Models,
  Problem,
  Region,
  Session,
  SessionRequest,
} from "./types.js";

export interface ClientOptions {
  /** Such as "http://127.0.0.1:8000"; in a page of the server itself "" will do. */
  url: string;
  apiKey?: string;
  /** In place of the global ones: tests, or a Node before 22, which has no WebSocket. */
  fetch?: typeof fetch;
  WebSocket?: typeof WebSocket;
}

type ClipLine = Frame | { clip: ClipInfo } | { error: Problem };

const OCTETS = { "Content-Type": "application/octet-stream" };

/** A client of one server. Every call throws KineposeError for what the server reports, and Unreachable. */
export class KineposeClient {
  readonly #url: string;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#url = options.url.replace(/\/$/, "");
  }

  /** The models that the server has, with their cards. */
  models(): Promise<Models> {
    return this.#json("GET", "/v1/models");
  }

  /** Open a session: people, as many as `max_people`, followed through one video. */
  createSession(request: SessionRequest = {}): Promise<Session> {
    return this.#json("POST", "/v1/sessions", {
      body: JSON.stringify(request),
      headers: { "Content-Type": "application/json" },
    });
  }

  /** What a session expects next. */
  session(id: string): Promise<Session> {
    return this.#json("GET", `/v1/sessions/${id}`);
  }

  /** End a session; answers with what it was. */
  closeSession(id: string): Promise<Session> {
    return this.#json("DELETE", `/v1/sessions/${id}`);
  }

  /** One frame of a session. A frame sent again gets the stored answer. */
  sendFrame(sessionId: string, picture: Picture, params: FrameParams = {}): Promise<Frame> {
    return this.#json("POST", `/v1/sessions/${sessionId}/frames${query(params)}`, { body: picture, headers: OCTETS });
  }

  /** Who is in a picture that belongs to no video. */
  estimateImage(picture: Picture, params: ImageParams = {}): Promise<Image> {
    return this.#json("POST", `/v1/images${query(params)}`, { body: picture, headers: OCTETS });
  }

  /** A stream of frames over a WebSocket. */
  stream(sessionId: string): Promise<FrameStream> {
    const Socket = this.#options.WebSocket ?? globalThis.WebSocket;
    const key = this.#options.apiKey;
    const url = new URL(`${this.#url}/v1/sessions/${sessionId}/stream`, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    // A browser's WebSocket sends no headers: the key goes where the server looks for it then.
    return FrameStream.open(new Socket(url, key ? ["kinepose", `kinepose.bearer.${key}`] : []));
  }

  /**
   * The frames of a clip while it is worked on; what is known of the clip is what the generator returns.
   * Leaving the loop, or `signal`, stops the server, too.
   */
  async *estimateClip(
    clip: Picture,
    params: ClipParams = {},
    signal?: AbortSignal,
  ): AsyncGenerator<Frame, ClipInfo, undefined> {
    const headers = { ...OCTETS, Accept: "application/x-ndjson" };
    const response = await this.#fetch("POST", `/v1/clips${query(params)}`, {
      body: clip,
      headers,
      ...(signal && { signal }),
    });
    for await (const text of lines(response.body!)) {
      const line: ClipLine = JSON.parse(text);
      if ("outcome" in line) yield line;
      else if ("clip" in line) return line.clip;
      else throw KineposeError.of(line.error as Problem);
    }
    throw new Unreachable("the server's answer breaks off");
  }

  /** A whole clip, its results as a file of that format, once it is done. */
  async clipAs(format: Format, clip: Picture, params: ClipParams = {}): Promise<Blob> {
    const init = { body: clip, headers: OCTETS };
    return (await this.#fetch("POST", `/v1/clips${query({ ...params, format })}`, init)).blob();
  }

  /** Begin a clip in the background: a job, whose `id` the calls below take. */
  startClip(clip: Picture, params: JobParams = {}): Promise<Job> {
    return this.#json("POST", `/v1/clips${query(params)}`, {
      body: clip,
      headers: { ...OCTETS, Prefer: "respond-async" },
    });
  }

  /** How far a job is. */
  clip(id: string): Promise<Job> {
    return this.#json("GET", `/v1/clips/${id}`);
  }

  /** The results of a job that is done, as a file of that format; null while it still works. */
  async results(
    id: string,
    format: Exclude<Format, "mp4"> = "json",
    params: Pick<ClipParams, "smoothing"> = {},
  ): Promise<Blob | null> {
    const response = await this.#fetch("GET", `/v1/clips/${id}/poses${query({ ...params, format })}`);
    return response.status === 202 ? null : response.blob();
  }

  /** Stop a job and clear its files away. */
  async deleteClip(id: string): Promise<void> {
    await this.#fetch("DELETE", `/v1/clips/${id}`);
  }

  async #json<T>(method: string, path: string, init: RequestInit = {}): Promise<T> {
    return (await this.#fetch(method, path, init)).json() as Promise<T>;
  }

  async #fetch(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#options.apiKey) headers.set("Authorization", `Bearer ${this.#options.apiKey}`);
    const send = this.#options.fetch ?? globalThis.fetch;
    return checked(await reached(send(this.#url + path, { ...init, method, headers })));
  }
}

function query(params: FrameParams & ClipParams & { format?: Format }): string {
  const { region, regions, ...rest } = params;
  const said: Record<string, unknown> = {
    ...rest,
    region: region?.join(","),
    regions: regions?.map((one: Region) => one.join(",")).join(";"),
  };
  const given = Object.entries(said).filter(([, value]) => value !== undefined);
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}
