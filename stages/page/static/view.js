// /frame: nothing but the picture, for OBS. Options in the address: ?fit=contain|cover|none,
// ?bg=checker or a CSS colour, ?fps=, ?codec=jpeg|raw, ?stats=1.

import { FrameStream } from "./frames.js";
import { newPainter } from "./painter.js";

const KEPT_MS = 2000; // the last picture stays this long without a connection

const options = new URLSearchParams(location.search);
const fit = options.get("fit");
if (fit === "none" || fit === "cover") document.body.classList.add(fit);
const background = options.get("bg");
if (background === "checker") document.body.classList.add("checker");
else if (background) document.body.style.background = background;

const painter = newPainter(document.getElementById("canvas"));
let clearing = 0;
const stream = new FrameStream(painter, {
  codec: options.get("codec") === "raw" ? "raw" : "jpeg",
  fps: Number(options.get("fps")) || 0,
  changed: ({ open }) => {
    if (open) return;
    clearing ||= setTimeout(() => document.body.classList.add("gone"), KEPT_MS);
  },
  painted: () => {
    clearTimeout(clearing);
    clearing = 0;
    document.body.classList.remove("gone");
  },
});

if (options.get("stats")) {
  const shown = document.getElementById("stats");
  let before = { count: 0, bytes: 0 };
  shown.hidden = false;
  setInterval(() => {
    const age = stream.ageMs();
    shown.textContent = [
      `${stream.count - before.count} frames/s`,
      `age ${age === null ? "?" : age.toFixed(0)} ms`,
      `${stream.skipped} skipped`,
      `${((stream.bytes - before.bytes) / 1e6).toFixed(1)} MB/s`,
      painter.name,
    ].join("\n");
    before = { count: stream.count, bytes: stream.bytes };
  }, 1000);
}
