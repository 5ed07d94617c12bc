import { KineposeError, Unreachable } from "./errors.js";
import type { Frame, FrameParams, Problem } from "./types.js";

export type Picture = Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>;

interface Waiting {
  resolve(frame: Frame): void;
  reject(error: Error): void;
}

/**
 * Frames of one session over a WebSocket; made by `KineposeClient.stream`.
 *
 * Every picture gets one answer, in the order in which they were sent. `send` may be called again before the last
 * answer has come; `pending` tells how many are under way: a live camera sends while it is below 2 or so, and leaves
 * out the rest.
 */
export class FrameStream {
  readonly #socket: WebSocket;
  readonly #waiting: Waiting[] = [];
  readonly #closed: Promise<void>;
  #failure: Error | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", (event) => this.#received(JSON.parse(event.data as string)));
    this.#closed = new Promise((resolve) => {
      socket.addEventListener("close", (event) => {
        this.#fail(new Unreachable(`the stream ended (${event.code} ${event.reason})`));
        resolve();
      });
    });
  }

  /** A stream, once its connection is there. Unreachable also where the server refuses it: browsers hide why. */
  static async open(socket: WebSocket): Promise<FrameStream> {
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve(), { once: true });
      for (const kind of ["error", "close"] as const) {
        socket.addEventListener(kind, () => reject(new Unreachable("the stream cannot be opened")), { once: true });
      }
    });
    return new FrameStream(socket);
  }

  /** Pictures without an answer yet. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** The answer for a picture. Rejects with what ended the stream. */
  send(picture: Picture, params: FrameParams = {}): Promise<Frame> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (Object.keys(params).length > 0) this.#socket.send(JSON.stringify(params));
    this.#socket.send(picture);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Send no more, and wait until all answers have come. The session lives on. */
  async end(): Promise<void> {
    if (!this.#failure) this.#socket.send('{"end": true}');
    await this.#closed;
  }

  /** Leave at once; pictures under way are dropped. */
  close(): void {
    this.#socket.close();
  }

  #received(message: Frame | { error: Problem }): void {
    if ("outcome" in message) this.#waiting.shift()?.resolve(message);
    else this.#fail(KineposeError.of(message.error));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const one of this.#waiting.splice(0)) one.reject(this.#failure);
  }
}
