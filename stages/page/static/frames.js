// Frames from the server: asked for one by one, decoded, painted with the next screen refresh.
// The wire format is described in docs/page.md.

import { Line } from "./line.js";

const HEADER_BYTES = 40;
const RAW = 0;
const CLOCK_EVERY_MS = 5000;

export class FrameStream {
  // `codec` is "jpeg" or "raw"; `fps` asks for fewer frames than there are.
  constructor(painter, { codec = "jpeg", fps = 0, changed = () => {}, painted = () => {} } = {}) {
    this.painter = painter;
    this.painted = painted;
    this.least = fps ? 1000 / fps : 0;
    this.count = 0;
    this.bytes = 0;
    this.skipped = 0;
    this.header = null;
    this.offsetNs = null; // of the server's clock to ours
    this.askedAt = 0;
    this.isAsking = false;
    this.line = new Line(`/ws?codec=${codec}`, {
      heard: (data) => (typeof data === "string" ? this.heardText(data) : this.heardFrame(data)),
      opened: () => {
        this.isAsking = false;
        this.askTime();
        this.ask();
      },
      changed,
    });
    document.addEventListener("visibilitychange", () => this.ask());
    setInterval(() => this.askTime(), CLOCK_EVERY_MS);
  }

  ask() {
    if (document.hidden || this.isAsking) return;
    const early = this.askedAt + this.least - performance.now();
    if (early > 4) {
      this.isAsking = true;
      setTimeout(() => {
        this.isAsking = false;
        this.ask();
      }, early);
      return;
    }
    this.isAsking = this.line.send({ type: "next" });
    this.askedAt = performance.now();
  }

  askTime() {
    this.clockAskedAt = performance.now();
    this.line.send({ type: "clock" });
  }

  heardText(text) {
    const message = JSON.parse(text);
    if (message.type !== "clock") return;
    const middle = (this.clockAskedAt + performance.now()) / 2;
    this.offsetNs = Number(message.now_ns) - middle * 1e6;
  }

  async heardFrame(buffer) {
    try {
      const { header, parts } = unpack(buffer);
      const pictures = header.codec === RAW ? [rawPicture(header, parts[0])] : await decoded(parts);
      requestAnimationFrame(() => this.paint(header, pictures, buffer.byteLength));
    } catch (error) {
      console.error("a frame could not be decoded", error);
      this.isAsking = false;
      this.ask();
    }
  }

  paint(header, pictures, bytes) {
    this.painter.paint(header.width, header.height, pictures);
    for (const picture of pictures) picture.close?.();
    if (this.header) this.skipped += Math.max(0, header.sequence - this.header.sequence - 1);
    this.header = header;
    this.count += 1;
    this.bytes += bytes;
    this.isAsking = false;
    this.ask();
    this.painted(header);
  }

  // How old the pose of the frame on show is, in ms; null while the clocks are not compared.
  ageMs() {
    if (this.offsetNs === null || !this.header) return null;
    return performance.now() - (this.header.capturedNs - this.offsetNs) / 1e6;
  }
}

export function unpack(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEADER_BYTES || view.getUint32(0) !== 0x56544631) {
    throw new Error("not a VTF1 message");
  }
  const start = view.getUint16(4, true);
  const header = {
    codec: view.getUint8(6),
    flags: view.getUint8(7),
    width: view.getUint32(8, true),
    height: view.getUint32(12, true),
    sequence: Number(view.getBigUint64(16, true)),
    capturedNs: Number(view.getBigUint64(24, true)),
  };
  const first = view.getUint32(32, true);
  const second = view.getUint32(36, true);
  const parts = [
    new Uint8Array(buffer, start, first),
    new Uint8Array(buffer, start + first, second),
  ];
  return { header, parts };
}

function decoded(parts) {
  const how = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  return Promise.all(
    parts.map((part) => createImageBitmap(new Blob([part], { type: "image/jpeg" }), how)),
  );
}

function rawPicture(header, pixels) {
  const bytes = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  return new ImageData(bytes, header.width, header.height);
}
