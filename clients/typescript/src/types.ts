/** What is asked and answered, by the OpenAPI document (`schema.ts`). Coordinates are pixels of the upright picture. */

import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];

export type Pose = Schemas["PoseReply"];
export type Failed = Schemas["FailedReply"];
/** The answer for a frame: joints, or why there are none. `isPose` tells which. */
export type Frame = Pose | Failed;
/** The answer for a picture that belongs to no video. */
export type Image = Schemas["ImageReply"];
export type Person = Schemas["PersonReply"];
export type Joint = Schemas["Joint"];
export type Session = Schemas["SessionInfo"];
export type ClipInfo = Schemas["ClipInfo"];
export type Job = Schemas["JobReply"];
export type Models = Schemas["ModelsReply"];
export type ModelCard = Schemas["ModelCard"];
export type Problem = Schemas["Problem"];

/** x, y, w, h: a person's own box. */
export type Region = readonly [number, number, number, number];

export interface SessionRequest {
  model?: string;
  drop_policy?: Schemas["DropPolicy"];
  ttl_s?: number;
  max_people?: number;
  /** Tells smooth joints, too, as `kinematics` of each frame. */
  smoothing?: Schemas["Smoothing"];
}

/** What is said of a frame beside its picture. `regions`: several people's boxes, in the order of their numbers. */
export interface FrameParams {
  seq?: number;
  pts_us?: number;
  region?: Region;
  regions?: readonly Region[];
  deadline_ms?: number;
}

export interface ImageParams {
  region?: Region;
  regions?: readonly Region[];
  max_people?: number;
  model?: string;
}

/** Forms of a clip's results, as docs/kinematics.md lists them; "mp4" is the clip with its people drawn. */
export type Format = NonNullable<NonNullable<paths["/v1/clips"]["post"]["parameters"]["query"]>["format"]>;

/** Filters of joints; the last two look at the whole clip. */
export type ClipSmoothing = NonNullable<NonNullable<paths["/v1/clips"]["post"]["parameters"]["query"]>["smoothing"]>;

export interface ClipParams extends ImageParams {
  /** Tells smooth joints beside the raw ones, as `kinematics` or further columns. */
  smoothing?: ClipSmoothing;
  /** Damage ends the clip with an error, and is not told in `gaps`. */
  strict?: boolean;
}

export interface JobParams extends ClipParams {
  /** A URL that is told when the job has finished, on a host that the server's operator lists for that. */
  webhook?: string;
}

/** The body of a webhook; its signature is checked by any library of the Standard Webhooks scheme. */
export type ClipFinished = Schemas["ClipFinished"];

/** True for a frame that was read; people may be none. */
export function isPose(frame: Frame): frame is Pose {
  return !("error" in frame);
}
