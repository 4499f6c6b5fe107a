// The last seconds as a file.

export class RecordingDialog {
  constructor(dialog, open) {
    this.dialog = dialog;
    this.find = (name) => dialog.querySelector(`#record-${name}`);
    open.addEventListener("click", () => {
      this.find("result").textContent = "";
      this.find("preview").replaceChildren();
      dialog.showModal();
    });
    this.find("start").addEventListener("click", () => this.make());
  }

  begin(longestSeconds) {
    this.find("seconds").max = longestSeconds;
  }

  async make() {
    const [start, result] = [this.find("start"), this.find("result")];
    start.disabled = true;
    this.find("preview").replaceChildren();
    result.textContent = "Writing the file …";
    try {
      const made = await this.ask();
      if (made.error) result.textContent = made.error;
      else this.show(made, result);
    } catch {
      result.textContent = "The session cannot be reached.";
    }
    start.disabled = false;
  }

  async ask() {
    const wish = {
      seconds: Number(this.find("seconds").value),
      fps: Number(this.find("fps").value),
      size: Number(this.find("size").value),
      format: this.find("format").value,
    };
    const response = await fetch("/recordings", { method: "POST", body: JSON.stringify(wish) });
    return response.json();
  }

  show(made, result) {
    const link = document.createElement("a");
    link.href = made.address;
    link.download = made.address.split("/").pop();
    link.textContent = `Download ${link.download}`;
    const size = made.bytes > 1e6 ? `${(made.bytes / 1e6).toFixed(1)} MB` : `${Math.round(made.bytes / 1e3)} kB`;
    result.replaceChildren(link, ` · ${made.frames} frames, ${made.seconds.toFixed(1)} s, ${size}`);
    const image = new Image();
    image.src = made.address;
    image.alt = "The recording";
    this.find("preview").replaceChildren(image);
  }
}
