// Short notes at the bottom of the page.

const SHOWN_MS = 7000;

export function toast(text, isBad = false) {
  const note = document.createElement("p");
  note.className = isBad ? "toast bad" : "toast";
  note.textContent = text;
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), SHOWN_MS);
}
