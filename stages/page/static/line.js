// A WebSocket that comes back by itself, after pauses that grow.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

export class Line {
  // `heard(data)` gets every message; `changed(state)` gets {open, reason, retryAt}.
  constructor(path, { heard, opened = () => {}, changed = () => {} }) {
    this.path = path;
    this.heard = heard;
    this.opened = opened;
    this.changed = changed;
    this.pauseMs = FIRST_PAUSE_MS;
    this.connect();
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${scheme}//${location.host}${this.path}`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.pauseMs = FIRST_PAUSE_MS;
      this.changed({ open: true });
      this.opened();
    };
    this.socket.onmessage = (event) => this.heard(event.data);
    this.socket.onclose = (event) => this.closed(event.reason);
  }

  closed(reason) {
    this.changed({ open: false, reason, retryAt: Date.now() + this.pauseMs });
    setTimeout(() => this.connect(), this.pauseMs);
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2);
  }

  send(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
    return this.isOpen;
  }
}
