// The pose that the visitor gives: what the sliders say, plus what the pointer and short movements
// add. Published while it changes and a moment longer; then the idle motion takes over again,
// unless the pose is held.

const MOMENT_MS = 1200;
const SETTLED = 0.002;
const SMOOTH_MS = 60;
const LEAST_MS = 1000 / 60 - 2; // at most 60 poses a second, also on faster screens

export class Poser {
  constructor(line) {
    this.line = line;
    this.names = [];
    this.low = [];
    this.high = [];
    this.base = []; // what the sliders say
    this.added = new Map(); // source -> {name: value}, on top of it
    this.shown = []; // what was published last
    this.live = []; // what the frame on show has
    this.movement = null; // a function of ms that returns {name: value}, or null at its end
    this.hold = false;
    this.isActive = false;
    this.until = 0;
    this.listeners = [];
  }

  // The parameters, as the server names them.
  begin(parameters) {
    if (this.names.length) return;
    this.names = parameters.map((parameter) => parameter.name);
    this.low = parameters.map((parameter) => parameter.low);
    this.high = parameters.map((parameter) => parameter.high);
    this.index = new Map(this.names.map((name, index) => [name, index]));
    this.base = this.names.map(() => 0);
    this.shown = [...this.base];
    this.live = [...this.base];
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  // The pose of the frame on show, told by the server.
  sawPose(pose) {
    this.live = pose;
    if (!this.isActive && !this.hold) this.shown = [...pose];
    this.tell();
  }

  // What a slider should show: what we publish while we do, else what the frame has.
  value(index) {
    return this.isActive || this.hold ? this.shown[index] : this.live[index];
  }

  set(values, { keepOthers = true } = {}) {
    if (!keepOthers || !(this.isActive || this.hold)) this.base.fill(0);
    for (const [name, value] of Object.entries(values)) this.base[this.index.get(name)] = value;
    this.touch();
  }

  reset() {
    this.movement = null;
    this.added.clear();
    this.base.fill(0);
    this.touch();
  }

  add(source, values) {
    this.added.set(source, values);
    this.touch();
  }

  remove(source) {
    if (this.added.delete(source)) this.touch();
  }

  // A short movement of its own: talking, nodding, blinking.
  move(movement) {
    this.movement = { at: movement, since: performance.now() };
    this.touch();
  }

  setHold(hold) {
    this.hold = hold;
    if (hold) this.touch();
    else this.line.send({ type: "release" });
    this.until = performance.now() + MOMENT_MS;
    this.tell();
  }

  touch(forMs = MOMENT_MS) {
    this.until = Math.max(this.until, performance.now() + forMs);
    if (!this.isActive && this.names.length) {
      this.isActive = true;
      this.before = performance.now();
      requestAnimationFrame((now) => this.turn(now));
    }
    this.tell();
  }

  turn(now) {
    const passed = now - this.before;
    if (passed >= LEAST_MS) {
      this.before = now;
      const settled = this.approach(this.target(now), passed);
      if (settled && now > this.until && !this.movement) {
        this.rest();
        return;
      }
      this.line.send({ type: "pose", pose: this.shown.map(rounded) });
      this.tell();
    }
    requestAnimationFrame((next) => this.turn(next));
  }

  rest() {
    this.isActive = false;
    if (this.hold) this.line.send({ type: "pose", pose: this.shown.map(rounded), hold: true });
    else this.base.fill(0);
    this.tell();
  }

  target(now) {
    const target = [...this.base];
    const sources = [...this.added.values()];
    if (this.movement) {
      const moved = this.movement.at(now - this.movement.since);
      if (moved) sources.push(moved);
      else this.movement = null;
    }
    for (const source of sources) {
      for (const [name, value] of Object.entries(source)) target[this.index.get(name)] += value;
    }
    return target.map((value, at) => Math.min(this.high[at], Math.max(this.low[at], value)));
  }

  approach(target, passedMs) {
    const share = 1 - Math.exp(-Math.max(0, passedMs) / SMOOTH_MS);
    let furthest = 0;
    this.shown = this.shown.map((value, at) => {
      const left = target[at] - value;
      furthest = Math.max(furthest, Math.abs(left));
      return value + left * share;
    });
    return furthest < SETTLED;
  }
}

function rounded(value) {
  return Math.round(value * 1e4) / 1e4;
}
