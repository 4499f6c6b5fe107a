// The page: what is on it, connected.

import { Background } from "./background.js";
import { Charts } from "./charts.js";
import { FrameStream } from "./frames.js";
import { Line } from "./line.js";
import { newPainter } from "./painter.js";
import { PictureChanger } from "./picture.js";
import { Pipeline } from "./pipeline.js";
import { Pointer } from "./pointer.js";
import { Poser } from "./poser.js";
import { applyPreset, showPresets } from "./presets.js";
import { RecordingDialog } from "./recording.js";
import { Sliders } from "./sliders.js";
import { toast } from "./toasts.js";

const STILL_MS = 1500;
const $ = (id) => document.getElementById(id);

// --- the line to the session

const replies = new Map();
let asked = 0;

const line = new Line("/session", {
  heard: (data) => hear(JSON.parse(data)),
  changed: (state) => {
    pipeline.connection(state);
    if (!state.open) giveUpReplies();
  },
});

// Return a promise of the session's error, or null.
function ask(request, stage = null) {
  asked += 1;
  const number = asked;
  if (!line.send({ type: "ask", number, request, stage })) {
    toast("The session cannot be reached", true);
    return Promise.resolve("the session cannot be reached");
  }
  return new Promise((done) => replies.set(number, done)).then((error) => {
    if (error) toast(error, true);
    return error;
  });
}

function giveUpReplies() {
  for (const done of replies.values()) done(null);
  replies.clear();
}

function hear(message) {
  switch (message.type) {
    case "hello": return begin(message);
    case "status": return showStatus(message.status);
    case "event": return pipeline.heardEvent(message.event);
    case "pose": return poser.sawPose(message.pose);
    case "reply":
      replies.get(message.number)?.(message.error);
      replies.delete(message.number);
  }
}

function begin({ session, parameters, record_s: recordSeconds, status }) {
  document.title = session === "main" ? "ayatsuri" : `ayatsuri: ${session}`;
  poser.begin(parameters);
  sliders.begin(parameters);
  recording.begin(recordSeconds);
  pipeline.tell(`Connected to the session ${session}`, true);
  if (status) pipeline.heardStatus(status);
}

// --- what is on the page

const facts = { rate: $("fact-rate"), age: $("fact-age"), cache: $("fact-cache") };
const pipeline = new Pipeline(
  { stages: $("stages"), state: $("state"), banner: $("banner"), pause: $("pause"), log: $("log"), facts },
  ask,
);
const poser = new Poser(line);
const sliders = new Sliders($("sliders"), poser, $("mirror"));
const charts = new Charts($("charts"));
const recording = new RecordingDialog($("recording"), $("record"));
const background = new Background($("backgrounds"), $("colour"), $("picture"));
new Pointer($("picture"), poser);
new PictureChanger({ drop: $("picture"), choose: $("choose"), file: $("file"), dialog: $("fit") });
showPresets($("presets"), poser);
$("hold").addEventListener("change", () => poser.setHold($("hold").checked));
$("reset").addEventListener("click", () => poser.reset());

let paintedAt = performance.now();
const stream = new FrameStream(newPainter($("canvas")), {
  painted: () => {
    paintedAt = performance.now();
    pipeline.setStill(false);
  },
});

let before = { count: 0, at: performance.now() };
function showStatus(status) {
  pipeline.heardStatus(status);
  const now = performance.now();
  const pageRate = ((stream.count - before.count) * 1000) / (now - before.at);
  before = { count: stream.count, at: now };
  charts.add(status, document.hidden ? null : pageRate);
  pipeline.setStill(!document.hidden && status.state !== "paused" && now - paintedAt > STILL_MS);
}

// --- keys that work everywhere but in a field

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input:not([type=range], [type=checkbox], [type=radio]), select, textarea");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const key = event.key.toLowerCase();
  if (key >= "1" && key <= "9") applyPreset(poser, Number(key) - 1);
  else if (key === "r") poser.reset();
  else if (key === "b") background.next();
  else if (key === "h") $("hold").click();
  else return;
  event.preventDefault();
});
