// Draws a frame and the people in it on a canvas whose pixels are those of the picture.
// Sides are told by colour and by shape: left is round with whole lines, right is square with dashed ones.
import { bonesOf, sideOf, sideOfBone } from "./skeleton.js";

export const COLOURS = { left: "#2ec4b6", right: "#ff9f43", middle: "#f5f7fa" };
const OUTLINE = "rgba(8, 16, 28, 0.75)";
const FONT = "600 %px system-ui, sans-serif";

/**
 * @param context of the canvas
 * @param picture what was sent: image, video or bitmap; null draws a dark ground
 * @param reply of the server, or null
 * @param view {hideBelow: 0..1, mirror: bool}
 */
export function drawFrame(context, picture, reply, view) {
  const { width, height } = context.canvas;
  context.setTransform(1, 0, 0, 1, 0, 0);
  if (view.mirror) context.setTransform(-1, 0, 0, 1, width, 0);
  if (picture) context.drawImage(picture, 0, 0, width, height);
  else {
    context.fillStyle = "#0b1524";
    context.fillRect(0, 0, width, height);
  }
  if (!reply?.people) return;
  const scale = Math.max(width, height) / 640;
  for (const lost of reply.lost) drawBox(context, lost.region, `${lost.track_id} lost`, scale, view, true);
  for (const person of reply.people) drawPerson(context, reply, person, scale, view);
}

function drawPerson(context, reply, person, scale, view) {
  drawBox(context, person.region, `${person.track_id}`, scale, view, false);
  const shown = person.joints.map((joint) => joint.score >= view.hideBelow);
  for (const [from, to] of bonesOf(reply.skeleton)) {
    if (shown[from] && shown[to]) drawBone(context, person.joints[from], person.joints[to], scale);
  }
  person.joints.forEach((joint, index) => shown[index] && drawJoint(context, joint, scale));
}

function drawBone(context, from, to, scale) {
  const side = sideOfBone(from.name, to.name);
  for (const [colour, width] of [[OUTLINE, 5], [COLOURS[side], 2.5]]) {
    context.setLineDash(side === "right" && colour !== OUTLINE ? [7 * scale, 4 * scale] : []);
    context.strokeStyle = colour;
    context.lineWidth = width * scale;
    context.beginPath();
    // Integers are pixel centres; a canvas counts from the pixels' corners.
    context.moveTo(from.x + 0.5, from.y + 0.5);
    context.lineTo(to.x + 0.5, to.y + 0.5);
    context.stroke();
  }
  context.setLineDash([]);
}

function drawJoint(context, joint, scale) {
  const side = sideOf(joint.name);
  const [x, y, r] = [joint.x + 0.5, joint.y + 0.5, 4 * scale];
  context.beginPath();
  if (side === "right") context.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  else context.arc(x, y, r, 0, 2 * Math.PI);
  context.fillStyle = COLOURS[side];
  context.fill();
  context.strokeStyle = OUTLINE;
  context.lineWidth = 1.5 * scale;
  context.stroke();
}

function drawBox(context, [x, y, w, h], label, scale, view, lost) {
  context.setLineDash(lost ? [3 * scale, 5 * scale] : []);
  context.strokeStyle = lost ? "#c9b8ff" : "rgba(245, 247, 250, 0.8)";
  context.lineWidth = 1.5 * scale;
  context.strokeRect(x + 0.5, y + 0.5, w, h);
  context.setLineDash([]);
  drawLabel(context, label, x, y, w, scale, view.mirror);
}

function drawLabel(context, label, x, y, w, scale, mirror) {
  const size = Math.round(13 * scale);
  context.save();
  context.font = FONT.replace("%", size);
  const width = context.measureText(label).width + 8 * scale;
  let left = x;
  if (mirror) {
    // Text is not mirrored: its corner is where the box's is seen.
    left = context.canvas.width - x - w;
    context.setTransform(1, 0, 0, 1, 0, 0);
  }
  const top = Math.max(0, y - size - 5 * scale);
  context.fillStyle = OUTLINE;
  context.fillRect(left, top, width, size + 5 * scale);
  context.fillStyle = "#fff";
  context.textBaseline = "top";
  context.fillText(label, left + 4 * scale, top + 3 * scale);
  context.restore();
}

/** Draws a region that is being dragged. */
export function drawDragged(context, [x, y, w, h]) {
  const scale = Math.max(context.canvas.width, context.canvas.height) / 640;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.setLineDash([6 * scale, 4 * scale]);
  context.lineWidth = 2 * scale;
  context.strokeStyle = "#fff";
  context.strokeRect(x, y, w, h);
  context.setLineDash([]);
}
