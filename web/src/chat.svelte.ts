import { decode, encode, type Said } from './body.ts';
import { Connection, type Credentials, type Listener, type State } from './connection.ts';
import type { Endpoint } from './endpoint.ts';
import { DEFAULT_ROOM, hashOfRoom, roomNamed, roomOfHash } from './room.ts';
import { load, save } from './stored.ts';

/** A line of a room. */
export interface Line extends Said {
  key: string;
  /** This window's own: how far it came. What came from others has none. */
  status: 'sending' | 'sent' | 'unsent' | null;
  /** Why the broker refused it. */
  refusal: string | null;
}

/** Lines that are kept; the oldest go first. */
const LINES_MAX = 500;

/** Nobody knows whether it arrived. What the broker refused, it would refuse again. */
function isLost({ status, refusal }: Line): boolean {
  return status === 'unsent' && refusal === null;
}

/** All that the page shows. */
export class Chat implements Listener {
  name = $state('');
  room = $state(DEFAULT_ROOM);
  choice = $state('');
  state = $state<State>('disconnected');
  transport = $state<string | null>(null);
  retryAt = $state<number | null>(null);
  reason = $state<string | null>(null);
  /** Whether the room is shown; else the sign-in. */
  entered = $state(false);
  /** Why one is at the sign-in again. */
  signInError = $state<string | null>(null);
  passcodeExpected = $state(false);
  joining = $derived.by(() => !this.entered && this.state !== 'disconnected');

  /** In the broker's order. */
  #received = $state.raw<Line[]>([]);
  /** Ours that have not come back from the broker. */
  #outgoing = $state.raw<Line[]>([]);
  lines = $derived.by(() => [...this.#received, ...this.#outgoing]);
  unsent = $derived.by(() => this.#outgoing.filter(isLost).length);

  #connection: Connection | null = null;
  #count = 0;

  constructor(private readonly endpoint: Endpoint) {
    const stored = load();
    this.name = stored.name;
    this.choice = stored.choice;
    this.passcodeExpected = stored.passcode;
    this.room = roomOfHash(location.hash) ?? DEFAULT_ROOM;
    window.addEventListener('hashchange', () => this.#follow(roomOfHash(location.hash) ?? DEFAULT_ROOM));
    if (!stored.joined) return;
    if (stored.passcode) {
      this.signInError = 'Passcodes are not stored: please enter yours again.';
    } else {
      this.entered = true;
      this.#open('');
    }
  }

  join(name: string, passcode: string, room: string): void {
    this.name = name.trim();
    this.room = roomNamed(room);
    this.signInError = null;
    this.passcodeExpected = passcode !== '';
    history.replaceState(null, '', hashOfRoom(this.room));
    this.#open(passcode);
  }

  leave(): void {
    this.#connection?.close();
    this.#connection = null;
    this.entered = false;
    this.#received = this.#outgoing = [];
    this.#save(false);
  }

  say(text: string): void {
    const said = { from: this.name, text, at: new Date() };
    const line: Line = { ...said, key: crypto.getRandomValues(new Uint32Array(4)).join('-'), status: 'unsent', refusal: null };
    this.#outgoing = [...this.#outgoing, line];
    this.sendAgain(line.key);
  }

  sendAgain(key: string): void {
    const line = this.#outgoing.find((line) => line.key === key);
    if (!line || line.status === 'sending') return;
    const sent = this.#connection?.send(key, encode(line)) ?? false;
    this.#change(key, { status: sent ? 'sending' : 'unsent', refusal: null });
  }

  sendAllAgain(): void {
    for (const line of this.#outgoing) if (isLost(line)) this.sendAgain(line.key);
  }

  discard(key: string): void {
    this.#outgoing = this.#outgoing.filter((line) => line.key !== key);
  }

  use(choice: string): void {
    this.choice = choice;
    this.#save(this.#connection !== null);
    if (this.#connection) this.#unsend();
    this.#connection?.use(choice);
  }

  retryNow(): void {
    this.#connection?.retryNow();
  }

  // ---- what the connection tells ----

  stateIs(state: State, retryAt: number | null, reason: string | null): void {
    this.state = state;
    this.retryAt = retryAt;
    if (state !== 'connecting') this.reason = reason;
    if (state === 'connected' || state === 'waiting') this.entered = true;
    if (state !== 'connected') this.#unsend();
  }

  transportIs(name: string | null): void {
    this.transport = name;
  }

  received(id: string | undefined, body: string): void {
    const own = this.#outgoing.find(({ key }) => key === id);
    if (own) this.discard(own.key);
    const line: Line = own
      ? { ...own, status: 'sent', refusal: null }
      : { ...decode(body), key: `r${++this.#count}`, status: null, refusal: null };
    this.#received = [...this.#received, line].slice(-LINES_MAX);
  }

  receipted(id: string): void {
    this.#change(id, { status: 'sent' });
  }

  refused(id: string, reason: string): void {
    this.#change(id, { status: 'unsent', refusal: reason });
  }

  loginRefused(reason: string): void {
    this.#connection?.close();
    this.#connection = null;
    this.entered = false;
    this.signInError = reason;
    this.#save(false);
  }

  // ---- its own ----

  #open(passcode: string): void {
    this.#connection?.close();
    const credentials: Credentials = { login: this.name, passcode };
    this.#connection = new Connection(this.endpoint, credentials, this.room, this.choice, this);
    this.#save(true);
    this.#connection.open();
  }

  /** The user went to another room by its address. */
  #follow(room: string): void {
    if (room === this.room) return;
    this.room = room;
    this.#received = this.#outgoing = [];
    this.#connection?.enter(room);
  }

  /** Without a receipt before the connection was lost, nobody knows whether the message arrived. */
  #unsend(): void {
    for (const { key, status } of this.#outgoing) if (status === 'sending') this.#change(key, { status: 'unsent' });
  }

  #change(key: string, change: Partial<Line>): void {
    this.#outgoing = this.#outgoing.map((line) => (line.key === key ? { ...line, ...change } : line));
  }

  #save(joined: boolean): void {
    save({ name: this.name, joined, passcode: this.passcodeExpected, choice: this.choice });
  }
}
