// What replies say, put in words.

/** A sentence on who is there. */
export function said(reply) {
  if (!reply) return "";
  if (reply.error) return `This frame was not read: ${reply.error.detail || reply.error.code}.`;
  const lost = reply.lost.map((track) => track.track_id);
  const seen = reply.people.map((person) => person.track_id);
  const there = seen.length ? `${counted(seen)} seen.` : "Nobody is seen.";
  return lost.length ? `${there} ${counted(lost)} lost; looking again.` : there;
}

function counted(numbers) {
  return numbers.length === 1 ? `Person ${numbers[0]} is` : `People ${numbers.join(", ")} are`;
}

/** The person of this number in a frame, or null. */
export const personIn = (reply, trackId) => reply?.people?.find((person) => person.track_id === trackId) ?? null;

/** Numbers of all people in these frames, in order. */
export function tracksOf(frames) {
  const found = new Set();
  for (const frame of frames) for (const person of frame.people ?? []) found.add(person.track_id);
  return [...found].sort((a, b) => a - b);
}

/** Mean score of the joints of the surest person in a frame; null where nobody is. */
export function scoreOf(frame) {
  if (!frame.people?.length) return null;
  const means = frame.people.map((person) => person.joints.reduce((sum, joint) => sum + joint.score, 0) / person.joints.length);
  return Math.max(...means);
}
