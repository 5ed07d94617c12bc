// Plays what was read: each picture with the answer for it. `picture` is that of frame `index`, whatever is decoded next.

/** Frames by their own times, with pictures from `load(index)` or none. */
export class Player {
  constructor(frames, onChange, load = async () => null) {
    this.frames = frames;
    this.index = 0;
    this.playing = false;
    this.picture = null;
    this.onChange = onChange;
    this.load = load;
    this.timer = null;
  }

  async open() {
    await this.show(0);
  }

  play() {
    if (this.index >= this.frames.length - 1) this.index = 0;
    this.playing = true;
    this.next();
  }

  pause() {
    this.playing = false;
    clearTimeout(this.timer);
    this.onChange();
  }

  async seek(index) {
    if (this.playing) this.pause();
    await this.show(index);
  }

  close() {
    this.pause();
    this.onChange = () => {};
  }

  async show(index) {
    const picture = await this.load(index);
    this.picture = picture;
    this.index = index;
    this.onChange();
  }

  async next() {
    const began = performance.now();
    await this.show(this.index);
    if (!this.playing) return;
    if (this.index >= this.frames.length - 1) return this.pause();
    const pause = (this.frames[this.index + 1].pts_us - this.frames[this.index].pts_us) / 1000;
    const following = () => {
      this.index += 1;
      this.next();
    };
    this.timer = setTimeout(following, Math.max(0, pause - (performance.now() - began)));
  }
}

/** As Player, with pictures and pace of a video that the browser can read; `failed` where it cannot. */
export class VideoPlayer extends Player {
  constructor(url, frames, onChange) {
    super(frames, onChange);
    this.video = document.createElement("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.preload = "auto";
    this.video.src = url;
    this.buffer = document.createElement("canvas");
    this.startS = 0;
    this.failed = false;
    this.video.addEventListener("ended", () => super.pause());
  }

  async open() {
    try {
      await new Promise((resolve, reject) => {
        this.onceShown((time) => resolve((this.startS = time)));
        this.video.addEventListener("error", reject, { once: true });
        this.video.load();
      });
    } catch {
      this.failed = true;
      return super.open();
    }
    this.take(0);
  }

  play() {
    if (this.failed) return super.play();
    this.playing = true;
    if (this.index >= this.frames.length - 1) this.video.currentTime = 0;
    const run = (this.run = {});
    const follow = (time) => {
      if (!this.playing || run !== this.run) return;
      this.take(this.frameAt(time));
      this.onceShown(follow);
    };
    this.onceShown(follow);
    this.video.play().catch(() => this.pause());
    this.onChange();
  }

  pause() {
    this.video.pause();
    super.pause();
  }

  async seek(index) {
    if (this.failed) return super.seek(index);
    if (this.playing) this.pause();
    this.wanted = index;
    if (this.seeking) return;
    this.seeking = true;
    while (this.wanted !== this.index) await this.seekOnce(this.wanted);
    this.seeking = false;
    this.onChange();
  }

  async seekOnce(index) {
    const shown = new Promise((resolve) => this.onceShown(resolve));
    this.video.currentTime = this.startS + this.middleOf(index);
    await shown;
    this.take(index);
  }

  close() {
    super.close();
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** The time in the middle of a frame's showing: a seek to its very start may show the one before. */
  middleOf(index) {
    const start = this.frames[index].pts_us;
    const end = this.frames[index + 1]?.pts_us ?? start + 10_000;
    return (start + end) / 2e6;
  }

  frameAt(time) {
    const us = (time - this.startS) * 1e6 + 500;
    let [low, high] = [0, this.frames.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.frames[middle].pts_us <= us) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  take(index) {
    const { videoWidth, videoHeight } = this.video;
    if (this.buffer.width !== videoWidth) Object.assign(this.buffer, { width: videoWidth, height: videoHeight });
    this.buffer.getContext("2d").drawImage(this.video, 0, 0);
    this.picture = this.buffer;
    this.index = index;
    this.onChange();
  }

  onceShown(then) {
    this.video.requestVideoFrameCallback((_, { mediaTime }) => then(mediaTime));
  }
}
