// Joints and bones as the server names them, and what of them is left or right.
let skeletons = {};

export function learnSkeletons(known) {
  skeletons = known;
}

export const bonesOf = (name) => skeletons[name]?.bones ?? [];

export const jointsOf = (name) => skeletons[name]?.joints ?? [];

/** "left", "right" or "middle": the person's own sides. */
export function sideOf(joint) {
  const side = joint.split("_")[0];
  return side === "left" || side === "right" ? side : "middle";
}

/** A bone has a side where both of its ends have the same. */
export function sideOfBone(a, b) {
  return sideOf(a) === sideOf(b) ? sideOf(a) : "middle";
}

/** For people: "left_shoulder" is "left shoulder". */
export const spoken = (joint) => joint.replaceAll("_", " ");
