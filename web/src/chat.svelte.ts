import { decode, encode, type Said } from './body.ts';
import { GUESTS } from './people.ts';
import { Connection, type Credentials, type Listener, type State } from './connection.ts';
import type { Endpoint } from './endpoint.ts';
import { DEFAULT_ROOM, hashOfRoom, roomNamed, roomOfHash } from './room.ts';
import { NOBODY, tell, type People } from './presence.ts';
import { load, save } from './stored.ts';

/** A line of a room. */
export interface Line extends Said {
  key: string;
  /** This window's own: how far it came. What came from others has none. */
  status: 'sending' | 'sent' | 'unsent' | null;
  /** Why the broker refused it. */
  refusal: string | null;
  /** The user whom it is for alone; null: the room. */
  to: string | null;
  /** No message: something that happened in the room. */
  note: boolean;
}

/** Lines that are kept; the oldest go first. */
const LINES_MAX = 500;

/** Nobody knows whether it arrived. What the broker refused, it would refuse again. */
function isLost({ status, refusal }: Line): boolean {
  return status === 'unsent' && refusal === null;
}

/** One line for what happened at once, however many did it. */
function happened(names: string[], what: string): string[] {
  const NAMED = 3;
  const more = names.length - NAMED;
  if (names.length === 0) return [];
  return [`${names.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''} ${what}`];
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
  /** Who one is to the broker; null: a guest. */
  user = $state<string | null>(null);
  /** Who is in the room; null: the broker does not say. */
  people = $state.raw<People | null>(NOBODY);
  /** With whom one talks alone; null: with the room. */
  peer = $state<string | null>(null);
  /** Messages of users that one has not looked at. */
  unread = $state.raw<ReadonlyMap<string, number>>(new Map());
  joining = $derived.by(() => !this.entered && this.state !== 'disconnected');

  /** In the broker's order. */
  #received = $state.raw<Line[]>([]);
  /** Ours that have not come back from the broker. */
  #outgoing = $state.raw<Line[]>([]);
  /** What was said between oneself and each user. */
  #private = $state.raw<ReadonlyMap<string, Line[]>>(new Map());
  lines = $derived.by(() => {
    const said = this.peer === null ? this.#received : (this.#private.get(this.peer) ?? []);
    return [...said, ...this.#outgoing.filter(({ to }) => to === this.peer)];
  });
  /** What one has begun to write, by conversation: what is meant for one must not be sent to another. */
  drafts = new Map<string | null, string>();
  /** All with whom one has talked alone. */
  peers = $derived.by(() => [...this.#private.keys()]);
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
      this.#open('', '');
    }
  }

  join(name: string, passcode: string, token: string, room: string): void {
    this.name = name.trim();
    this.room = roomNamed(room);
    this.signInError = null;
    this.passcodeExpected = passcode !== '' || token !== '';
    history.replaceState(null, '', hashOfRoom(this.room));
    this.#open(passcode, token.replace(/^\s*Bearer\s/i, '').replace(/\s/g, ''));
  }

  leave(): void {
    this.#connection?.close();
    this.#connection = null;
    this.entered = false;
    this.#received = this.#outgoing = [];
    this.#forgetPeople();
    this.#save(false);
  }

  /** Talks with one user alone; null: with the room again. */
  talkTo(user: string | null): void {
    this.peer = user;
    if (user === null) return;
    if (!this.#private.has(user)) this.#private = new Map(this.#private).set(user, []);
    const unread = new Map(this.unread);
    unread.delete(user);
    this.unread = unread;
  }

  say(text: string): void {
    const said = { from: this.user ?? this.name, text, at: new Date() };
    const line: Line = { ...said, key: crypto.getRandomValues(new Uint32Array(4)).join('-'), status: 'unsent', refusal: null, to: this.peer, note: false };
    this.#outgoing = [...this.#outgoing, line];
    this.sendAgain(line.key);
  }

  sendAgain(key: string): void {
    const line = this.#outgoing.find((line) => line.key === key);
    if (!line || line.status === 'sending') return;
    const body = encode(line);
    const sent = (line.to === null ? this.#connection?.send(key, body) : this.#connection?.sendTo(line.to, key, body)) ?? false;
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
    if (state !== 'connected') this.people = NOBODY;
  }

  transportIs(name: string | null): void {
    this.transport = name;
  }

  knownAs(user: string | null): void {
    this.user = user;
    if (user !== null) this.name = user;
  }

  received(id: string | undefined, body: string, sender: string | undefined): void {
    const own = this.#outgoing.find(({ key, to }) => key === id && to === null);
    if (own) this.discard(own.key);
    const line: Line = own ? { ...own, status: 'sent', refusal: null } : this.#line(body, sender, null);
    this.#received = [...this.#received, line].slice(-LINES_MAX);
  }

  receivedPrivately(id: string | undefined, body: string, sender: string | undefined, to: string | undefined): void {
    if (to !== undefined) {
      // A copy from another window of one's own, or from this one, where it is known already.
      if (sender === undefined || sender !== this.user) return;
      if (id === undefined) return;
      const known = [...this.#outgoing, ...(this.#private.get(to) ?? [])].some(({ key }) => key === id);
      if (!known) this.#keep(to, { ...this.#line(body, sender, to), key: id, status: 'sent' });
      return;
    }
    const from = sender ?? GUESTS;
    this.#keep(from, this.#line(body, sender, null));
    if (this.peer !== from) this.unread = new Map(this.unread).set(from, (this.unread.get(from) ?? 0) + 1);
  }

  presenceTold(body: string): void {
    const { people, joined, left } = tell(this.people ?? NOBODY, body);
    this.people = people;
    const others = (names: string[]) => names.filter((name) => name !== this.user);
    const notes = [...happened(others(joined), 'joined'), ...happened(others(left), 'left')];
    for (const text of notes) {
      const line = { from: '', text, at: new Date(), key: `n${++this.#count}`, status: null, refusal: null, to: null, note: true };
      this.#received = [...this.#received, line].slice(-LINES_MAX);
    }
  }

  presenceRefused(): void {
    this.people = null;
  }

  receipted(id: string, sessions: number | null): void {
    const line = this.#outgoing.find(({ key }) => key === id);
    if (line === undefined || line.to === null) return this.#change(id, { status: 'sent' });
    if (sessions === 0) return this.#change(id, { status: 'unsent', refusal: `${line.to} is not online: nobody got it` });
    this.discard(id);
    this.#keep(line.to, { ...line, status: 'sent', refusal: null });
  }

  refused(id: string, reason: string): void {
    this.#change(id, { status: 'unsent', refusal: reason });
  }

  loginRefused(reason: string): void {
    this.#connection?.close();
    this.#connection = null;
    this.entered = false;
    // Whoever signs in next may be somebody else.
    this.#received = this.#outgoing = [];
    this.#forgetPeople();
    this.signInError = reason;
    this.#save(false);
  }

  // ---- its own ----

  #open(passcode: string, token: string): void {
    this.#connection?.close();
    this.#forgetPeople();
    const credentials: Credentials = { login: this.name, passcode, token };
    this.#connection = new Connection(this.endpoint, credentials, this.room, this.choice, this);
    this.#save(true);
    this.#connection.open();
  }

  /** The user went to another room by its address. */
  #follow(room: string): void {
    if (room === this.room) return;
    this.room = room;
    this.#received = [];
    this.#outgoing = this.#outgoing.filter(({ to }) => to !== null);
    this.people = NOBODY;
    this.peer = null;
    this.#connection?.enter(room);
  }

  #line(body: string, sender: string | undefined, to: string | null): Line {
    const said = decode(body);
    return { ...said, from: sender ?? said.from, key: `r${++this.#count}`, status: null, refusal: null, to, note: false };
  }

  /** Puts a line to what was said with a user. */
  #keep(user: string, line: Line): void {
    const lines = [...(this.#private.get(user) ?? []), line].slice(-LINES_MAX);
    this.#private = new Map(this.#private).set(user, lines);
  }

  #forgetPeople(): void {
    this.people = NOBODY;
    this.peer = null;
    this.unread = new Map();
    this.#private = new Map();
    this.drafts.clear();
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
