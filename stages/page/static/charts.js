// The last sixty seconds of a few numbers, drawn on small canvases.

const SPAN_MS = 60_000;
const COLOURS = ["--accent", "--warm", "--good", "--careful", "--soft", "--ink"];

class Chart {
  constructor(place, title, { unit, digits = 0, least = 1 }) {
    this.unit = unit;
    this.digits = digits;
    this.least = least;
    this.lines = new Map(); // name -> [[time, value], ...]
    const box = document.createElement("div");
    box.className = "chart";
    const head = document.createElement("h3");
    head.textContent = title;
    this.output = document.createElement("output");
    head.append(this.output);
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${title}, the last 60 seconds`);
    this.legend = document.createElement("p");
    box.append(head, this.canvas, this.legend);
    place.append(box);
  }

  // `headline` is the number beside the title; left out: the first value.
  add(now, values, headline = Object.values(values)[0]) {
    for (const [name, value] of Object.entries(values)) {
      if (!this.lines.has(name)) {
        this.lines.set(name, []);
        this.explain();
      }
      this.lines.get(name).push([now, value]);
    }
    for (const line of this.lines.values()) {
      while (line.length && line[0][0] < now - SPAN_MS - 1000) line.shift();
    }
    this.output.textContent = headline == null ? "" : `${headline.toFixed(this.digits)} ${this.unit}`;
    this.draw(now);
  }

  explain() {
    this.legend.replaceChildren(
      ...[...this.lines.keys()].map((name, index) => {
        const entry = document.createElement("span");
        const mark = document.createElement("i");
        mark.style.background = `var(${COLOURS[index % COLOURS.length]})`;
        entry.append(mark, name);
        return entry;
      }),
    );
  }

  draw(now) {
    const ratio = devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * ratio);
    const height = Math.round(this.canvas.clientHeight * ratio);
    if (!width) return;
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    const style = getComputedStyle(document.documentElement);
    const context = this.canvas.getContext("2d");
    const values = [...this.lines.values()].flat().map((point) => point[1] ?? 0);
    const top = niceTop(Math.max(this.least, ...values));
    context.clearRect(0, 0, width, height);
    this.drawGrid(context, width, height, top, ratio, style);
    [...this.lines.values()].forEach((line, index) => {
      context.strokeStyle = style.getPropertyValue(COLOURS[index % COLOURS.length]);
      this.drawLine(context, line, (time, value) => [
        width * (1 - (now - time) / SPAN_MS),
        height - 2 * ratio - (value / top) * (height - 12 * ratio),
      ], ratio);
    });
  }

  drawGrid(context, width, height, top, ratio, style) {
    context.strokeStyle = style.getPropertyValue("--line");
    context.fillStyle = style.getPropertyValue("--soft");
    context.lineWidth = ratio;
    context.font = `${10 * ratio}px system-ui`;
    context.beginPath();
    for (const share of [0, 0.5, 1]) {
      const y = Math.round(height - 2 * ratio - share * (height - 12 * ratio)) + 0.5;
      context.moveTo(0, y);
      context.lineTo(width, y);
    }
    context.stroke();
    context.fillText(String(top), 0, 9 * ratio);
  }

  drawLine(context, line, place, ratio) {
    context.lineWidth = 1.75 * ratio;
    context.lineJoin = "round";
    context.beginPath();
    let isDrawing = false;
    for (const [time, value] of line) {
      if (value == null) {
        isDrawing = false;
        continue;
      }
      const [x, y] = place(time, value);
      if (isDrawing) context.lineTo(x, y);
      else context.moveTo(x, y);
      isDrawing = true;
    }
    context.stroke();
  }
}

export class Charts {
  constructor(place) {
    this.rate = new Chart(place, "Frames a second", { unit: "/s", least: 30 });
    this.age = new Chart(place, "Age of the picture", { unit: "ms", least: 20 });
    this.hops = new Chart(place, "From stage to stage", { unit: "ms", digits: 1, least: 5 });
    this.cache = new Chart(place, "Answered from memory", { unit: "%", least: 100 });
    this.looked = null;
  }

  add(status, pageRate) {
    const now = performance.now();
    this.rate.add(now, { output: status.rate_hz, "this page": pageRate });
    this.age.add(now, { median: status.age_ms.p50, "99 of 100": status.age_ms.p99 });
    const hops = status.stages.map((stage) => [stage.name, stage.hop_ms?.p50 ?? null]);
    this.hops.add(now, Object.fromEntries(hops), null);
    this.cache.add(now, { hits: this.hitShare(status.cache) });
  }

  // Of the look-ups since the last status.
  hitShare({ hits, misses }) {
    const before = this.looked ?? { hits, misses };
    this.looked = { hits, misses };
    const count = hits + misses - before.hits - before.misses;
    return count > 0 ? (100 * (hits - before.hits)) / count : null;
  }
}

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 5, 7.5, 10].map((step) => step * power).find((top) => top >= value * 0.999);
}
