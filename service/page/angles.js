// Angles at joints, in degrees between the two bones that meet there: 180 is straight.
import { personIn } from "./people.js";

/** Name, and the joints of its two bones' ends: the angle is at the middle one. */
export const ANGLES = ["left", "right"].flatMap((side) => [
  [`${side} elbow`, `${side}_shoulder`, `${side}_elbow`, `${side}_wrist`],
  [`${side} shoulder`, `${side}_elbow`, `${side}_shoulder`, `${side}_hip`],
  [`${side} hip`, `${side}_shoulder`, `${side}_hip`, `${side}_knee`],
  [`${side} knee`, `${side}_hip`, `${side}_knee`, `${side}_ankle`],
]);

/** The angle at b, degrees in [0, 180]; null where two of the points are one. */
export function angleAt(a, b, c) {
  const [ux, uy, vx, vy] = [a.x - b.x, a.y - b.y, c.x - b.x, c.y - b.y];
  const lengths = Math.hypot(ux, uy) * Math.hypot(vx, vy);
  if (!lengths) return null;
  return (Math.acos(Math.min(1, Math.max(-1, (ux * vx + uy * vy) / lengths))) * 180) / Math.PI;
}

/** One angle over frames; null where a joint of it is below the score or the person is not there. */
export function angleOver(frames, trackId, [, ...names], hideBelow) {
  return frames.map((frame) => {
    const person = personIn(frame, trackId);
    const points = names.map((name) => person?.joints.find((joint) => joint.name === name));
    return points.every((point) => point && point.score >= hideBelow) ? angleAt(...points) : null;
  });
}
