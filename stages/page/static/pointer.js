// The picture under pointer and keys: the head follows, a click blinks, the wheel leans.

import { blinking } from "./presets.js";

const FACE_AT = { x: 0.5, y: 0.27 }; // of the picture's width and height
const CLICK_MS = 350;
const LEAN_PER_NOTCH = 0.2;
const KEY_STEP = 0.2;

export class Pointer {
  constructor(place, poser) {
    this.place = place;
    this.poser = poser;
    this.lean = 0;
    this.keys = { x: 0, y: 0 };
    place.addEventListener("pointermove", (event) => this.moved(event));
    place.addEventListener("pointerleave", () => this.left());
    place.addEventListener("pointerdown", (event) => this.pressed(event));
    place.addEventListener("pointerup", (event) => this.released(event));
    place.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    place.addEventListener("keydown", (event) => this.typed(event));
    place.addEventListener("blur", () => this.look(0, 0));
    poser.onChange(() => {
      if (!poser.isActive && !poser.hold) this.forget();
    });
  }

  moved(event) {
    if (event.pointerType === "touch" && !event.isPrimary) return;
    const box = this.place.getBoundingClientRect();
    const side = Math.min(box.width, box.height);
    const x = (event.clientX - box.left - box.width / 2) / side + 0.5 - FACE_AT.x;
    const y = (event.clientY - box.top - box.height / 2) / side + 0.5 - FACE_AT.y;
    this.look(bounded(x * 2.2), bounded(y * 1.8));
  }

  // -1 is left and up on the screen.
  look(x, y) {
    this.keys = { x, y };
    this.poser.add("look", {
      head_y: -x * 0.9,
      head_x: -y * 0.9,
      iris_rotation_y: -x * 0.7,
      iris_rotation_x: -y * 0.6,
      neck_z: -x * 0.18,
      body_y: -x * 0.35,
    });
  }

  left() {
    this.look(0, 0);
    this.pressedAt = 0;
  }

  pressed(event) {
    if (event.button !== 0) return;
    this.pressedAt = event.timeStamp;
    this.moved(event);
  }

  released(event) {
    if (this.pressedAt && event.timeStamp - this.pressedAt < CLICK_MS) this.poser.move(blinking);
    if (event.pointerType === "touch") this.look(0, 0);
    this.pressedAt = 0;
  }

  wheeled(event) {
    event.preventDefault();
    this.leanBy(Math.sign(event.deltaY) * LEAN_PER_NOTCH);
  }

  leanBy(step) {
    this.lean = bounded(this.lean + step);
    this.poser.add("lean", { body_z: this.lean, neck_z: this.lean * 0.3 });
  }

  typed(event) {
    const steps = {
      ArrowLeft: [-KEY_STEP, 0], ArrowRight: [KEY_STEP, 0], ArrowUp: [0, -KEY_STEP], ArrowDown: [0, KEY_STEP],
    };
    const step = steps[event.key];
    if (step) this.look(bounded(this.keys.x + step[0]), bounded(this.keys.y + step[1]));
    else if (event.key === " ") this.poser.move(blinking);
    else if (event.key === "+" || event.key === "=") this.leanBy(LEAN_PER_NOTCH);
    else if (event.key === "-") this.leanBy(-LEAN_PER_NOTCH);
    else return;
    event.preventDefault();
  }

  forget() {
    this.lean = 0;
    this.keys = { x: 0, y: 0 };
    this.poser.added.clear();
  }
}

function bounded(value) {
  return Math.max(-1, Math.min(1, value));
}
