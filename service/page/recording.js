// What a camera's stream has given so far: the last answers, and the pictures of the newest of them.
const MOST_FRAMES = 4500;
const MOST_PICTURES = 900;

export class Recording {
  constructor() {
    this.frames = [];
    this.blobs = [];
  }

  add(reply, blob) {
    this.frames.push(reply);
    this.blobs.push(blob);
    if (this.blobs.length > MOST_PICTURES) this.blobs[this.blobs.length - 1 - MOST_PICTURES] = null;
    if (this.frames.length > MOST_FRAMES) {
      this.frames.shift();
      this.blobs.shift();
    }
  }

  /** The picture of a frame; null where it is not kept any more. */
  picture(index) {
    const blob = this.blobs[index];
    return blob ? createImageBitmap(blob) : null;
  }
}
