// The dialog that makes any picture fit: 512 x 512, moved and zoomed, its background cut out.

import { cutOut, figureOf, isOpaque } from "./cutout.js";
import { toast } from "./toasts.js";

const SIDE = 512;
const ABOVE = 24; // left free over the head, for hair that moves
const UPPER = 0.55; // of the figure's height

export class Fitting {
  // `send(blob)` returns a promise of the reason for a refusal, or null.
  constructor(dialog, send) {
    this.dialog = dialog;
    this.send = send;
    this.canvas = dialog.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.zoom = dialog.querySelector("#fit-zoom");
    this.cut = dialog.querySelector("#fit-cut");
    this.cutLine = dialog.querySelector("#fit-cut-line");
    this.reason = dialog.querySelector("#fit-reason");
    for (const button of dialog.querySelectorAll("[data-fit]")) {
      button.addEventListener("click", () => this.place(button.dataset.fit));
    }
    this.zoom.addEventListener("input", () => this.draw());
    this.cut.addEventListener("change", () => this.draw());
    this.canvas.addEventListener("pointerdown", (event) => this.canvas.setPointerCapture(event.pointerId));
    this.canvas.addEventListener("pointermove", (event) => this.dragged(event));
    this.canvas.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    this.canvas.addEventListener("keydown", (event) => this.typed(event));
    dialog.addEventListener("close", () => this.closed());
  }

  offer(picture, reason) {
    this.whole = picture;
    this.reason.textContent = reason;
    const opaque = isOpaque(picture);
    this.cutLine.hidden = !opaque;
    this.cut.checked = opaque;
    this.without = opaque ? cutOut(picture) : picture;
    this.figure = figureOf(this.without);
    this.dialog.returnValue = "";
    this.dialog.showModal();
    this.place("whole");
  }

  get scale() {
    return this.fitted * 2 ** Number(this.zoom.value);
  }

  // "whole" shows the whole figure, "upper" its upper half, "fill" the picture without a margin.
  place(how) {
    const { width, height } = this.whole;
    const { left, top, right, bottom } = this.figure;
    const room = SIDE - ABOVE;
    const visible = how === "upper" ? (bottom - top) * UPPER : bottom - top;
    const isFilled = how === "fill";
    this.fitted = isFilled
      ? Math.max(SIDE / width, SIDE / height)
      : Math.min(how === "upper" ? Infinity : SIDE / (right - left), room / visible);
    this.zoom.value = 0;
    // The middle of the picture, from where the figure is to stand.
    const x = isFilled ? 0 : ((left + right) / 2 - width / 2) * this.fitted;
    const ground = how === "upper" ? ABOVE - top * this.fitted : SIDE - bottom * this.fitted;
    const above = isFilled ? (SIDE - height * this.fitted) / 2 : ground;
    this.middle = { x: SIDE / 2 - x, y: above + (height * this.fitted) / 2 };
    this.draw();
  }

  draw() {
    const source = this.cut.checked && !this.cutLine.hidden ? this.without : this.whole;
    const width = source.width * this.scale;
    const height = source.height * this.scale;
    this.context.clearRect(0, 0, SIDE, SIDE);
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(source, this.middle.x - width / 2, this.middle.y - height / 2, width, height);
  }

  moveBy(x, y) {
    this.middle.x += x;
    this.middle.y += y;
    this.draw();
  }

  dragged(event) {
    if (!event.buttons) return;
    const ratio = SIDE / this.canvas.clientWidth;
    this.moveBy(event.movementX * ratio, event.movementY * ratio);
  }

  wheeled(event) {
    event.preventDefault();
    this.zoomBy(-Math.sign(event.deltaY) * 0.08);
  }

  zoomBy(step) {
    this.zoom.value = Number(this.zoom.value) + step;
    this.draw();
  }

  typed(event) {
    const steps = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] };
    if (steps[event.key]) this.moveBy(...steps[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoomBy(0.1);
    else if (event.key === "-") this.zoomBy(-0.1);
    else return;
    event.preventDefault();
  }

  async closed() {
    if (this.dialog.returnValue === "apply") {
      const blob = await new Promise((done) => this.canvas.toBlob(done, "image/png"));
      const error = await this.send(blob);
      if (error) toast(`The picture was not taken: ${error}`, true);
    }
    this.whole.close();
  }
}
