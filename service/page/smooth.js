// One-euro filter (Casiez et al. 2012): calm where a joint rests, quick where it moves. Only what is drawn is smoothed.
const REST_HZ = 1.2; // cut-off at rest
const PER_SPEED = 0.02; // Hz more for each pixel a second, at 640 pixels
const SPEED_HZ = 1.0;

const share = (hz, seconds) => 1 / (1 + 1 / (2 * Math.PI * hz * seconds));

class OneEuro {
  constructor() {
    this.value = null;
    this.speed = 0;
  }

  next(value, seconds, scale) {
    if (this.value === null || seconds <= 0 || seconds > 1) {
      this.value = value;
      this.speed = 0;
      return value;
    }
    const speed = (value - this.value) / seconds;
    this.speed += share(SPEED_HZ, seconds) * (speed - this.speed);
    this.value += share(REST_HZ + (PER_SPEED * Math.abs(this.speed)) / scale, seconds) * (value - this.value);
    return this.value;
  }
}

/** Smooths replies in the order of their times; a reply is not changed, a copy of it is. */
export class Smoother {
  constructor() {
    this.filters = new Map();
    this.lastUs = null;
  }

  next(reply) {
    if (!reply.people) return reply;
    const seconds = this.lastUs === null ? 0 : (reply.pts_us - this.lastUs) / 1e6;
    this.lastUs = reply.pts_us;
    const scale = Math.max(...reply.image_size) / 640;
    const people = reply.people.map((person) => {
      const joints = person.joints.map((joint) => ({
        ...joint,
        x: this.filter(person.track_id, joint.name, "x").next(joint.x, seconds, scale),
        y: this.filter(person.track_id, joint.name, "y").next(joint.y, seconds, scale),
      }));
      return { ...person, joints };
    });
    return { ...reply, people };
  }

  filter(trackId, joint, axis) {
    const name = `${trackId} ${joint} ${axis}`;
    if (!this.filters.has(name)) this.filters.set(name, new OneEuro());
    return this.filters.get(name);
  }
}

/** All replies of a clip, smoothed. */
export function smoothed(frames) {
  const smoother = new Smoother();
  return frames.map((frame) => smoother.next(frame));
}
