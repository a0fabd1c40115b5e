// One stream of states a browser, however many tabs. The leading tab holds it and passes each state on to the others.
//
// The leader holds a Web Lock, so that another tab leads as soon as the leader is closed or has crashed. Web Locks
// exist only with HTTPS and on this machine; elsewhere the tabs agree by messages. A tab that hears nothing of a leader
// for QUIET_MS takes over in both cases: the leading tab may be frozen.

const NAME = "tapline-stream";
const QUIET_MS = 6000;
const TICK_MS = 1000;
const RETRY_MS = 2000;
const FIRST_MS = 3000;

const now = () => performance.now();

export class Stream {
  /**
   * `onFrame(state)` is called for each state, `onRefused()` when the center asks for a log-in.
   */
  constructor(onFrame, onRefused) {
    this.onFrame = onFrame;
    this.onRefused = onRefused;
    this.id = Math.random().toString(36).slice(2);
    this.isLeader = false;
    this.isRefused = false;
    this.text = null;
    this.at = null;
    this.periodMs = 1000;
    this.startedAt = this.frameAt = this.leaderAt = now();
    this.source = null;
    this.openedAt = -Infinity;
    this.pauseMs = 0;
    this.channel = new BroadcastChannel(NAME);
    this.channel.onmessage = (event) => this.hear(event.data);
    this.channel.postMessage({ type: "hello" });
    if (navigator.locks) this.waitForLock();
    else this.patience = 300 + 700 * Math.random();
    setInterval(() => this.tick(), TICK_MS / 2);
    addEventListener("pagehide", () => this.leave());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  /** Milliseconds since the last state; since the page was opened if there was none. */
  get ageMs() {
    return now() - this.frameAt;
  }

  /** Whether the numbers on the screen are old: after 3 s, and after at most 5 s while the center is slow. */
  get isStale() {
    return this.ageMs > Math.min(Math.max(1000, this.periodMs), 3000) + 2000;
  }

  /** Which of several leaders stays: the lowest. The timers of a page in the background may run once a minute. */
  get rank() {
    return Number(document.hidden) + this.id;
  }

  /** Whether a state was received at all. */
  get hasFrame() {
    return this.text !== null;
  }

  // Leading

  waitForLock() {
    const hold = () => new Promise((release) => ((this.release = release), this.lead()));
    this.waiting = new AbortController();
    navigator.locks.request(NAME, { signal: this.waiting.signal }, hold).catch(() => this.lost());
  }

  /** Takes the lock from a leader that is silent: it is frozen, or its page hangs. */
  steal() {
    this.waiting.abort();
    const hold = () => new Promise((release) => ((this.release = release), this.lead()));
    navigator.locks.request(NAME, { steal: true }, hold).catch(() => this.lost());
  }

  /** Another tab has taken the lock, or the wait for it was ended in order to take it. */
  lost() {
    if (!this.isLeader) return;
    this.follow();
    this.waitForLock();
  }

  lead() {
    if (this.isLeader) return;
    this.isLeader = true;
    this.openedAt = -Infinity;
    this.tick();
  }

  follow() {
    this.isLeader = false;
    this.leaderAt = now();
    this.close();
  }

  leave() {
    if (this.isLeader) this.channel.postMessage({ type: "bye" });
    this.isLeader = false;
    this.close();
    this.release?.();
  }

  tick() {
    if (this.isLeader) {
      this.claim();
      this.watch();
      return;
    }
    const quietMs = now() - this.leaderAt;
    if (navigator.locks) {
      if (quietMs > QUIET_MS + (document.hidden ? QUIET_MS : 0)) {
        this.leaderAt = now();
        this.steal();
      }
    } else if (quietMs > this.patience) this.lead();
  }

  claim() {
    this.channel.postMessage({ type: "tick", rank: this.rank });
  }

  hear(message) {
    switch (message.type) {
      case "hello":
        if (!this.isLeader) break;
        this.claim();
        if (this.text) this.pass();
        break;
      case "tick":
        this.heardLeader();
        if (this.isLeader && !navigator.locks) this.agree(message.rank);
        break;
      case "bye":
        if (!navigator.locks) this.succeed();
        break;
      case "frame":
        this.heardLeader();
        if (!this.isLeader) this.take(message.text, message.ageMs);
        break;
      case "refused":
        this.heardLeader();
        this.refuse();
        break;
    }
  }

  /** Without locks several tabs may lead for a moment. The tab that stays answers: its next tick may be far away. */
  agree(rank) {
    if (rank < this.rank) this.follow();
    else this.claim();
  }

  /** Leads soon, unless another tab is earlier. A page in the background waits, and does not rely on its interval. */
  succeed() {
    this.leaderAt = now();
    this.patience = (document.hidden ? 1000 : 0) + 300 * Math.random();
    setTimeout(() => this.tick(), this.patience + 1);
  }

  heardLeader() {
    this.leaderAt = now();
    this.patience = 3000 + 2000 * Math.random();
  }

  // The stream of the leader

  /** Opens the stream, again when it has ended or is silent: the browser alone gives up after some errors. */
  watch() {
    const sinceOpened = now() - this.openedAt;
    const isClosed = !this.source || this.source.readyState === EventSource.CLOSED;
    const isSilent = this.isStale && sinceOpened > FIRST_MS + this.periodMs;
    if ((isClosed && sinceOpened > this.pauseMs) || isSilent) this.open();
  }

  open() {
    this.close();
    this.openedAt = now();
    this.pauseMs = RETRY_MS * (0.5 + Math.random());
    this.source = new EventSource("/api/live");
    this.source.addEventListener("state", (event) => {
      this.take(event.data, 0);
      this.pass();
    });
    this.source.onerror = () => {
      if (this.source?.readyState === EventSource.CLOSED) this.ask();
    };
  }

  close() {
    this.source?.close();
    this.source = null;
  }

  /** An event stream does not say why it was refused: a plain request does. */
  async ask() {
    try {
      const answer = await fetch("/api/live?once", { cache: "no-store" });
      if (answer.status !== 401 && answer.status !== 403) return;
      this.channel.postMessage({ type: "refused" });
      this.refuse();
    } catch {
      // The center is away: the stream is opened again.
    }
  }

  refuse() {
    this.isRefused = true;
    this.onRefused();
  }

  // States

  pass() {
    this.channel.postMessage({ type: "frame", text: this.text, ageMs: this.ageMs });
  }

  take(text, ageMs) {
    let state;
    try {
      state = JSON.parse(text);
    } catch {
      return;
    }
    this.isRefused = false;
    this.text = text;
    // A center that hangs sends its last state again to each stream that is opened: that is no news.
    if (state.at !== this.at) this.frameAt = now() - ageMs;
    this.at = state.at;
    this.periodMs = state.period_ms ?? 1000;
    this.onFrame(state);
  }
}
