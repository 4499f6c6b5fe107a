// What is behind the character on the page; remembered by the browser.

const KEY = "ayatsuri-background";

export class Background {
  constructor(fieldset, colour, picture) {
    this.fieldset = fieldset;
    this.colour = colour;
    this.picture = picture;
    this.recall();
    fieldset.addEventListener("change", () => this.show());
    colour.addEventListener("input", () => this.choose("custom"));
  }

  get choices() {
    return [...this.fieldset.querySelectorAll("input[type=radio]")];
  }

  choose(value) {
    for (const choice of this.choices) choice.checked = choice.value === value;
    this.show();
  }

  next() {
    const values = this.choices.map((choice) => choice.value);
    const now = values.indexOf(this.picture.dataset.background);
    this.choose(values[(now + 1) % values.length]);
  }

  show() {
    const value = this.choices.find((choice) => choice.checked)?.value ?? "checker";
    this.picture.dataset.background = value;
    document.documentElement.style.setProperty("--own", this.colour.value);
    try {
      localStorage.setItem(KEY, JSON.stringify([value, this.colour.value]));
    } catch {
      // Storage may be switched off; then it is not remembered.
    }
  }

  recall() {
    let [value, colour] = ["checker", this.colour.value];
    try {
      [value, colour] = JSON.parse(localStorage.getItem(KEY)) ?? [value, colour];
    } catch {
      // As above.
    }
    this.colour.value = colour;
    this.choose(value);
  }
}
