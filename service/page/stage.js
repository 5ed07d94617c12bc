// The canvas: a frame with its people; dragging a box over it tells where a person is, Esc looks for people again.
import { drawDragged, drawFrame } from "./draw.js";
import { html, useLayoutEffect, useRef, useState } from "./html.js";
import { said } from "./people.js";

const SMALLEST_BOX = 8; // pixels of the picture; less was a click

/**
 * @param picture what is drawn below the people: image, video, bitmap or null
 * @param reply of the server for this picture
 * @param version changes whenever there is something new to draw
 * @param view see `controls`
 * @param onRegion called with [x, y, w, h]; without it no box can be dragged
 * @param onSearch called on Esc
 */
export function Stage({ picture, reply, version, view, onRegion, onSearch, children }) {
  const canvas = useRef(null);
  const [dragged, setDragged] = useState(null);
  const [width, height] = reply?.image_size ?? (picture ? [picture.width, picture.height] : [640, 480]);

  useLayoutEffect(() => {
    const context = canvas.current.getContext("2d");
    drawFrame(context, picture, reply, view);
    if (dragged) drawDragged(context, boxOf(dragged));
    canvas.current.dataset.seq = reply?.seq ?? "";
  }, [picture, reply, version, view, dragged, width, height]);

  const onKeyDown = (event) => {
    if (event.key !== "Escape" || !onSearch) return;
    setDragged(null);
    onSearch();
  };
  const finish = () => {
    const box = dragged && boxOf(dragged);
    setDragged(null);
    if (box && box[2] >= SMALLEST_BOX && box[3] >= SMALLEST_BOX) onRegion(view.mirror ? mirrored(box, width) : box);
  };
  const drag = onRegion && {
    onPointerDown: (event) => {
      event.target.setPointerCapture(event.pointerId);
      setDragged([pointIn(event), pointIn(event)]);
    },
    onPointerMove: (event) => dragged && setDragged([dragged[0], pointIn(event)]),
    onPointerUp: finish,
    onPointerCancel: () => setDragged(null),
  };

  return html`
    <div class="stage">
      <canvas ref=${canvas} width=${width} height=${height} tabindex="0" role="img" aria-label=${`The picture with its joints. ${said(reply)}`}
        class=${onRegion ? "draggable" : ""} onKeyDown=${onKeyDown} ...${drag}></canvas>
      ${children}
    </div>`;
}

function pointIn(event) {
  const box = event.target.getBoundingClientRect();
  const { width, height } = event.target;
  const inside = (value, most) => Math.min(Math.max(value, 0), most);
  return [
    inside(((event.clientX - box.left) * width) / box.width, width),
    inside(((event.clientY - box.top) * height) / box.height, height),
  ];
}

function boxOf([[x0, y0], [x1, y1]]) {
  return [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)];
}

const mirrored = ([x, y, w, h], width) => [width - x - w, y, w, h];
