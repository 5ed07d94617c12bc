/** Against a real server: tests/integration/test_typescript.py gives its address, a clip and its pictures. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isPose, KineposeClient, KineposeError, Unreachable, type ClipInfo, type Frame } from "../src/index.js";

const {
  KINEPOSE_URL: url = "",
  KINEPOSE_GUARDED_URL: guardedUrl = "",
  KINEPOSE_KEY: apiKey = "",
  KINEPOSE_CLIP: clipPath = "",
} = process.env;
const picturePaths: string[] = JSON.parse(process.env.KINEPOSE_PICTURES ?? "[]");
const pictures = picturePaths.map((path) => new Blob([readFileSync(path)]));
const clip = new Blob([readFileSync(clipPath)]);
const client = new KineposeClient({ url });

function joints(frame: Frame): number[][] {
  assert.ok(isPose(frame), JSON.stringify(frame));
  return frame.people.map((person) => person.joints.flatMap((joint) => [joint.x, joint.y]));
}

test("a stream gives every picture its answer, in order, while others are under way", async () => {
  const session = await client.createSession({ max_people: 1 });
  const stream = await client.stream(session.session_id);
  const answers = pictures.map((picture, index) =>
    stream.send(picture, { pts_us: 40_000 * index, ...(index === 0 && { region: [20, 10, 40, 50] as const }) }),
  );
  assert.equal(stream.pending, pictures.length);
  await stream.end();
  const frames = await Promise.all(answers);

  assert.deepEqual(
    frames.map((frame) => [frame.seq, frame.pts_us, frame.outcome]),
    pictures.map((_, index) => [index, 40_000 * index, "ok"]),
  );
  assert.equal(stream.pending, 0);
  assert.equal((await client.closeSession(session.session_id)).next_seq, pictures.length);
  await assert.rejects(stream.send(pictures[0]!), Unreachable);
});

test("frames over HTTP give the joints of the stream", async () => {
  const [one, other] = [await client.createSession(), await client.createSession()];
  const stream = await client.stream(one.session_id);
  for (const picture of pictures) {
    const params = { region: [20, 10, 40, 50] as const };
    assert.deepEqual(
      joints(await client.sendFrame(other.session_id, picture, params)),
      joints(await stream.send(picture, params)),
    );
  }
  await stream.end();
});

test("a broken picture fails alone in a stream", async () => {
  const stream = await client.stream((await client.createSession()).session_id);
  const frames = await Promise.all([
    stream.send(pictures[0]!),
    stream.send(new Blob(["no picture"])),
    stream.send(pictures[1]!),
  ]);

  assert.deepEqual(
    frames.map((frame) => frame.outcome),
    ["ok", "error", "ok"],
  );
  assert.ok(!isPose(frames[1]!) && frames[1]!.error.code === "bad_image");
  stream.close();
});

test("a clip gives its frames as they come, and what is known of it", async () => {
  const frames: Frame[] = [];
  const answers = client.estimateClip(clip, {
    regions: [
      [10, 10, 30, 40],
      [50, 20, 30, 40],
    ],
    max_people: 2,
  });
  let next = await answers.next();
  for (; !next.done; next = await answers.next()) frames.push(next.value);
  const info: ClipInfo = next.value;

  assert.equal(frames.length, info.frames_emitted);
  assert.equal(info.codec, "h264");
  assert.ok(frames.every((frame) => isPose(frame) && frame.people.length + frame.lost.length === 2));
});

test("a clip's results come in other formats", async () => {
  const table = await (await client.clipAs("csv", clip, { region: [10, 10, 60, 50] })).text();
  const drawn = await client.clipAs("mp4", clip);

  assert.match(table.split("\n")[0]!, /head_x/);
  assert.equal(Buffer.from(await drawn.slice(4, 8).arrayBuffer()).toString(), "ftyp");
});

test("a picture may belong to no video", async () => {
  const image = await client.estimateImage(pictures[0]!, { region: [20, 10, 40, 50] });

  assert.deepEqual([image.skeleton, image.people.length + image.lost.length], ["kinepose13", 1]);
});

test("a clip may be a job", async () => {
  const job = await client.startClip(clip);
  assert.equal((await client.clip(job.id)).id, job.id);
  let results: Blob | null = null;
  while (results === null) results = await client.results(job.id, "ndjson");
  assert.equal((await client.clip(job.id)).status, "done");
  assert.match(await results.text(), /"clip"/);
  const smooth = await client.results(job.id, "csv", { smoothing: "savgol" });
  assert.match(await smooth!.text(), /head_x_filtered/);
  await client.deleteClip(job.id);
  await assert.rejects(
    client.clip(job.id),
    (error) => error instanceof KineposeError && error.code === "clip_unknown" && error.status === 404,
  );
});

test("errors have their codes and where they happened", async () => {
  const session = await client.createSession();
  await assert.rejects(client.sendFrame(session.session_id, pictures[0]!, { seq: 5 }), (error) => {
    assert.ok(error instanceof KineposeError);
    assert.deepEqual([error.code, error.status, error.problem?.expected_seq], ["seq_out_of_order", 409, 0]);
    return true;
  });
  await assert.rejects(client.estimateClip(new Blob(["no clip"])).next(), KineposeError);
});

test("a server that is not there is unreachable", async () => {
  const nowhere = new KineposeClient({ url: "http://127.0.0.1:1" });
  await assert.rejects(nowhere.models(), Unreachable);
  await assert.rejects(nowhere.stream("x"), Unreachable);
});

test("an API key opens calls and streams", async () => {
  await assert.rejects(
    new KineposeClient({ url: guardedUrl }).models(),
    (error) => error instanceof KineposeError && error.code === "unauthenticated",
  );
  const guarded = new KineposeClient({ url: guardedUrl, apiKey });
  const stream = await guarded.stream((await guarded.createSession()).session_id);
  assert.equal((await stream.send(pictures[0]!)).outcome, "ok");
  await stream.end();
});
