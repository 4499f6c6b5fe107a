// Another character: dropped or chosen, sent as it is, and offered to be fitted if it is refused.

import { Fitting } from "./fitting.js";
import { toast } from "./toasts.js";

export class PictureChanger {
  constructor({ drop, choose, file, dialog }) {
    this.fitting = new Fitting(dialog, (blob) => this.send(blob));
    choose.addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      if (file.files.length) this.take(file.files[0]);
      file.value = "";
    });
    // On the whole page: a file dropped beside the picture would replace the page otherwise.
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("dropping");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) drop.classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("dropping");
      const [dropped] = event.dataTransfer.files;
      if (dropped) this.take(dropped);
    });
  }

  async take(file) {
    const error = await this.send(file);
    if (!error) return;
    let picture = null;
    try {
      picture = await createImageBitmap(file);
    } catch {
      toast(`${file.name} cannot be used: ${error}`, true);
      return;
    }
    this.fitting.offer(picture, `${file.name}: ${error}.`);
  }

  // Return the reason if the session does not take the picture, else null.
  async send(blob) {
    try {
      const response = await fetch("/picture", { method: "POST", body: blob });
      const { error } = await response.json();
      if (!error) toast("The character was changed");
      return error;
    } catch {
      return "the session cannot be reached";
    }
  }
}
