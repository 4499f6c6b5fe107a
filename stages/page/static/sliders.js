// A slider for each of the 45 parameters, in groups, sides paired.

const GROUPS = [
  ["Head and body", /^(head|neck|body|breathing)/],
  ["Eyes", /^eye_/],
  ["Gaze", /^iris/],
  ["Mouth", /^mouth/],
  ["Brows", /^eyebrow/],
];
const OPEN = ["Head and body"];
const WORDS = {
  head_x: "Head up, down", head_y: "Head aside", neck_z: "Head tilt", body_y: "Body aside",
  body_z: "Body lean", iris_rotation_x: "Up, down", iris_rotation_y: "Aside", iris_small: "Small iris",
};

export class Sliders {
  constructor(place, poser, mirror) {
    this.place = place;
    this.poser = poser;
    this.mirror = mirror;
    this.rows = new Map(); // name -> {input, output, index}
    poser.onChange(() => this.show());
  }

  begin(parameters) {
    if (this.rows.size) return;
    for (const [title, pattern] of GROUPS) {
      const found = parameters.filter((parameter) => pattern.test(parameter.name));
      this.place.append(this.group(title, found, parameters));
    }
  }

  group(title, found, parameters) {
    const details = document.createElement("details");
    details.open = OPEN.includes(title);
    const summary = document.createElement("summary");
    summary.textContent = title;
    const rows = document.createElement("div");
    rows.className = "group";
    for (const parameter of found) {
      const index = parameters.indexOf(parameter);
      const stem = parameter.name.replace(/_left$/, "");
      if (stem !== parameter.name) rows.append(this.pair(stem, parameter, index));
      else if (!parameter.name.endsWith("_right")) {
        rows.append(this.slider(parameter, index, words(parameter.name)));
      }
    }
    details.append(summary, rows);
    return details;
  }

  // The character's right is on our left.
  pair(stem, parameter, index) {
    const pair = document.createElement("div");
    pair.className = "pair";
    const title = document.createElement("b");
    title.textContent = words(stem);
    const right = { ...parameter, name: `${stem}_right` };
    pair.append(title, this.slider(right, index + 1, "R"), this.slider(parameter, index, "L"));
    return pair;
  }

  slider({ name, low, high }, index, text) {
    const label = document.createElement("label");
    label.className = "slider";
    const title = document.createElement("span");
    title.textContent = text;
    const output = document.createElement("output");
    output.textContent = "0";
    const input = document.createElement("input");
    Object.assign(input, { type: "range", min: low, max: high, step: 0.01, value: 0, name });
    input.setAttribute("aria-label", words(name));
    input.addEventListener("input", () => this.moved(name, Number(input.value)));
    input.addEventListener("dblclick", () => this.moved(name, 0));
    label.title = name;
    label.append(title, output, input);
    paint(input);
    this.rows.set(name, { input, output, index });
    return label;
  }

  moved(name, value) {
    const values = { [name]: value };
    const other = name.replace(/_(left|right)$/, (_, side) => (side === "left" ? "_right" : "_left"));
    if (other !== name && this.mirror.checked) values[other] = value;
    this.poser.set(values);
  }

  show() {
    for (const [name, { input, output, index }] of this.rows) {
      const value = this.poser.value(index);
      const text = Math.abs(value) < 0.005 ? "0" : value.toFixed(2);
      if (output.textContent !== text) output.textContent = text;
      // The one in hand stays in hand: the pose follows it, not the other way round.
      const isInHand = this.poser.isActive && input === document.activeElement;
      if (!isInHand && Math.abs(Number(input.value) - value) > 0.004) {
        input.value = value;
      }
      paint(input);
    }
  }
}

// The track is coloured from zero to the value, to either side.
function paint(input) {
  const place = (value) => ((value - input.min) / (input.max - input.min)) * 100;
  const [zero, value] = [place(0), place(input.value)];
  input.style.setProperty("--from", `${Math.min(zero, value)}%`);
  input.style.setProperty("--to", `${Math.max(zero, value)}%`);
}

function words(name) {
  if (WORDS[name]) return WORDS[name];
  const text = name.replace(/^(eyebrow|eye|mouth)_/, "").replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}
