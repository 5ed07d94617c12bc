export { KineposeClient, type ClientOptions } from "./client.js";
export { KineposeError, Unreachable } from "./errors.js";
export { FrameStream, type Picture } from "./stream.js";
export * from "./types.js";
