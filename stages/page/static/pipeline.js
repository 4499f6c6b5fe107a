// The state of the session and of each stage, in words, with buttons to start one again.

const PRESENT = ["running", "paused"];

export class Pipeline {
  // `ask(request, stage)` returns a promise of the session's error, or null.
  constructor({ stages, state, banner, pause, log, facts }, ask) {
    Object.assign(this, { stages, state, banner, pause, log, facts, ask });
    this.rows = new Map();
    this.status = null;
    this.lost = null; // what the line says while it is down
    this.isStill = false;
    pause.addEventListener("click", () =>
      ask(pause.getAttribute("aria-pressed") === "true" ? "resume" : "pause"));
  }

  connection({ open, reason, retryAt }) {
    if (open) {
      if (this.lost) this.tell("The session is back", true);
      this.lost = null;
    } else {
      if (!this.lost) this.tell(reason || "The connection was lost", false);
      this.lost = { reason: reason || "The connection was lost", retryAt };
    }
    this.announce();
  }

  heardStatus(status) {
    this.status = status;
    for (const stage of status.stages) this.row(stage.name).show(stage);
    const { rate, age, cache } = this.facts;
    rate.textContent = status.rate_hz.toFixed(0);
    age.textContent = status.age_ms.p50 == null ? "–" : `${status.age_ms.p50.toFixed(0)} ms`;
    const share = status.cache.hit_share;
    cache.textContent = share == null ? "–" : `${Math.round(share * 100)} %`;
    this.announce();
  }

  heardEvent(event) {
    const sentence = eventSentence(event);
    if (!sentence) return;
    this.tell(sentence, event.event !== "died" && event.event !== "hung");
    const known = this.status?.stages.find((stage) => stage.name === event.stage);
    if (known && event.event === "died") {
      known.state = event.again ? "waiting" : "failed";
      this.row(known.name).show(known);
      this.announce();
    }
  }

  // Whether frames have stopped coming though nobody paused them.
  setStill(isStill) {
    if (this.isStill !== isStill) {
      this.isStill = isStill;
      this.announce();
    }
  }

  row(name) {
    if (!this.rows.has(name)) {
      const row = new StageRow(name, async (button) => {
        button.disabled = true;
        await this.ask("restart", name);
        button.disabled = false;
      });
      this.rows.set(name, row);
      this.stages.append(row.element);
    }
    return this.rows.get(name);
  }

  announce() {
    const state = this.lost ? "gone" : (this.status?.state ?? "connecting");
    this.state.className = `pill ${state}`;
    this.state.textContent = this.lost ? "not connected" : state;
    const isPaused = state === "paused";
    this.pause.setAttribute("aria-pressed", isPaused);
    this.pause.textContent = isPaused ? "Resume" : "Pause";
    this.pause.disabled = Boolean(this.lost);
    const text = this.trouble(isPaused);
    this.banner.hidden = !text;
    if (this.banner.textContent !== text) this.banner.textContent = text;
  }

  trouble(isPaused) {
    if (this.lost) return `${this.lost.reason}. This is the last picture; trying again by itself.`;
    const gone = (this.status?.stages ?? []).filter(
      (stage) => !PRESENT.includes(stage.state) && !(stage.optional && stage.state === "failed"),
    );
    if (gone.length) {
      const names = gone.map((stage) => stage.name).join(", ");
      return `${names} ${gone.length > 1 ? "are" : "is"} gone and is started again`
        + (this.isStill ? ": this is the last picture." : ".");
    }
    if (isPaused) return "Paused";
    return this.isStill ? "No new frames are coming: this is the last picture." : "";
  }

  tell(sentence, isGood) {
    const entry = document.createElement("li");
    const time = document.createElement("time");
    time.textContent = new Date().toLocaleTimeString();
    const text = document.createElement("span");
    text.textContent = sentence;
    if (!isGood) text.className = "bad";
    entry.append(time, text);
    this.log.prepend(entry);
    while (this.log.children.length > 50) this.log.lastChild.remove();
  }
}

class StageRow {
  constructor(name, restart) {
    this.element = document.createElement("li");
    this.element.dataset.stage = name;
    const title = document.createElement("div");
    this.dot = document.createElement("i");
    this.dot.className = "dot";
    const text = document.createElement("b");
    text.textContent = name;
    title.append(this.dot, text);
    this.title = title;
    [this.rate, this.hop, this.drops] = ["", "wide", "wide"].map((className) => {
      const cell = document.createElement("span");
      cell.className = className;
      return cell;
    });
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = "Restart";
    button.setAttribute("aria-label", `Restart ${name}`);
    button.addEventListener("click", () => restart(button));
    this.why = document.createElement("span");
    this.why.className = "why";
    this.element.append(title, this.rate, this.hop, this.drops, button, this.why);
  }

  show(stage) {
    const isThere = PRESENT.includes(stage.state);
    this.title.className = stage.state;
    this.title.title = `${stage.kind}, ${stage.state}, process ${stage.pid ?? "none"}`;
    this.hop.title = "from the frame of the stage before to its own, median";
    this.rate.textContent = isThere ? `${stage.rate_hz.toFixed(0)} /s` : stage.state;
    this.hop.textContent = stage.hop_ms ? `${stage.hop_ms.p50.toFixed(1)} ms` : "";
    const restarts = stage.restarts ? `, ${stage.restarts} restarts` : "";
    this.drops.textContent = stage.dropped || restarts ? `${stage.dropped} dropped${restarts}` : "";
    this.why.textContent = stage.state === "failed" ? stage.last_error : "";
  }
}

function eventSentence({ event, stage, code, again, why }) {
  switch (event) {
    case "died": {
      const how = code < 0 ? "was killed" : `ended with code ${code}`;
      return `${stage} ${how}; ${again ? "it is started again" : "it stays away"}`;
    }
    case "hung": return `${stage} ${why}`;
    case "ready": return `${stage} is ready`;
    case "paused": return "Paused";
    case "resumed": return "Resumed";
    case "image": return "The character was changed";
    case "reloaded": return "The config was read again";
    case "stopping": return `The session ends: ${why}`;
    default: return "";
  }
}
