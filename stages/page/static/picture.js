// Another character: a picture, dropped or chosen, sent as it is and offered to be fitted if it is
// refused; or a trained character, dropped as its folder.

import { Fitting } from "./fitting.js";
import { toast } from "./toasts.js";

const MODEL_FILE = "character_model.yaml";
const CHARACTER_FILE = /\.(ya?ml|png|pt)$/i;

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
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
      const folder = entries.find((entry) => entry?.isDirectory);
      const files = [...event.dataTransfer.files];
      if (folder) this.takeFolder(folder);
      else if (files.some((file) => file.name === MODEL_FILE)) this.takeCharacter(files);
      else if (files.length) this.take(files[0]);
    });
  }

  async takeFolder(folder) {
    const reader = folder.createReader();
    const files = [];
    // A reader gives some entries a time, and none when it is through.
    for (let some; (some = await new Promise((done, fail) => reader.readEntries(done, fail))).length; ) {
      for (const entry of some) {
        if (entry.isFile && CHARACTER_FILE.test(entry.name)) {
          files.push(await new Promise((done, fail) => entry.file(done, fail)));
        }
      }
    }
    await this.takeCharacter(files, folder.name);
  }

  async takeCharacter(files, name = "this character") {
    const form = new FormData();
    for (const file of files) form.append("file", file, file.name);
    const error = files.length ? await this.post("/character", form) : "it holds no character";
    if (error) toast(`${name} cannot be used: ${error}`, true);
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

  // Return the reason if the session does not take it, else null.
  send(blob) {
    return this.post("/picture", blob);
  }

  async post(address, body) {
    try {
      const response = await fetch(address, { method: "POST", body });
      const { error } = await response.json();
      if (!error) toast("The character was changed");
      return error;
    } catch {
      return "the session cannot be reached";
    }
  }
}
