import { SvelteMap } from 'svelte/reactivity';
import { decode, encode } from './body.ts';
import { Connection, type Listener, type State } from './connection.ts';
import { Conversation } from './conversation.svelte.ts';
import type { Endpoint } from './endpoint.ts';
import type { Incoming } from './message.ts';
import { namesOf, peopleOf, privateTo } from './people.ts';
import { step, type Presence } from './presence.ts';
import { DEFAULT_ROOM, destinationOf, hashOfRoom, roomNamed, roomOfHash } from './room.ts';
import { load, save } from './stored.ts';

/** What one signs in with. */
export interface Entry {
  name: string;
  passcode: string;
  token: string;
  room: string;
}

/** All that the page shows. */
export class Chat implements Listener {
  /** As it was entered. */
  name = $state('');
  /** Who one is by the broker's word; null: a guest, whose name is only shown. */
  user = $state<string | null>(null);
  shownName = $derived.by(() => this.user ?? (this.name || 'guest'));
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
  tokenExpected = $state(false);
  joining = $derived.by(() => !this.entered && this.state !== 'disconnected');

  /** Who is in the room; null as long as nothing is known. */
  presence = $state.raw<Presence | null>(null);
  /** Why it is not told. */
  presenceRefusal = $state<string | null>(null);
  inRoom = $state.raw(new Conversation(null));
  /** With whom one talks privately. */
  #partners = new SvelteMap<string, Conversation>();
  #openPartner = $state<string | null>(null);
  /** The one that is shown. */
  open = $derived.by(() => this.privateWith(this.#openPartner) ?? this.inRoom);
  people = $derived.by(() => peopleOf(this.presence, this.user, this.#partners.keys()));
  unread = $derived.by(() => [this.inRoom, ...this.#partners.values()].reduce((sum, { unread }) => sum + unread, 0));

  #connection: Connection | null = null;

  constructor(private readonly endpoint: Endpoint) {
    const stored = load();
    this.name = stored.name;
    this.choice = stored.choice;
    this.passcodeExpected = stored.passcode;
    this.tokenExpected = stored.token;
    this.room = roomOfHash(location.hash) ?? DEFAULT_ROOM;
    window.addEventListener('hashchange', () => this.#follow(roomOfHash(location.hash) ?? DEFAULT_ROOM));
    if (!stored.joined) return;
    if (stored.passcode || stored.token) {
      const what = stored.token ? 'Tokens' : 'Passcodes';
      this.signInError = `${what} are not stored: please enter yours again.`;
    } else {
      this.entered = true;
      this.#connect('', '');
    }
  }

  join({ name, passcode, token, room }: Entry): void {
    this.name = name.trim();
    this.#moveTo(roomNamed(room));
    this.signInError = null;
    this.passcodeExpected = passcode !== '' && token === '';
    this.tokenExpected = token !== '';
    history.replaceState(null, '', hashOfRoom(this.room));
    this.#connect(passcode, token);
  }

  leave(): void {
    this.#close();
    this.user = null;
    this.inRoom = new Conversation(null);
    this.#forgetPartners();
    this.#save(false);
  }

  // ---- conversations ----

  privateWith(partner: string | null): Conversation | undefined {
    return partner === null ? undefined : this.#partners.get(partner);
  }

  /** Shows the private conversation with `partner`, null: the room. */
  show(partner: string | null): void {
    this.#openPartner = partner;
    if (partner !== null) this.#with(partner);
    this.open.unread = 0;
  }

  say(text: string): void {
    const { open } = this;
    this.#send(open, open.write({ from: this.shownName, text, at: new Date() }));
  }

  sendAgain(key: string): void {
    this.#send(this.open, key);
  }

  sendAllAgain(): void {
    for (const key of this.open.lost()) this.sendAgain(key);
  }

  discard(key: string): void {
    this.open.discard(key);
  }

  // ---- the connection ----

  use(choice: string): void {
    this.choice = choice;
    this.#save(this.#connection !== null);
    if (this.#connection) this.#unsend();
    this.#connection?.use(choice);
  }

  retryNow(): void {
    this.#connection?.retryNow();
  }

  stateIs(state: State, retryAt: number | null, reason: string | null): void {
    this.state = state;
    this.retryAt = retryAt;
    if (state !== 'connecting') this.reason = reason;
    if (state === 'connected' || state === 'waiting') this.entered = true;
    if (state === 'connected') return;
    this.#unsend();
    this.presence = this.presenceRefusal = null;
  }

  transportIs(name: string | null): void {
    this.transport = name;
  }

  userIs(name: string | null): void {
    if (name === this.user) return;
    // What another user said and was told is not this one's.
    if (this.user !== null) this.inRoom = new Conversation(null);
    this.#forgetPartners();
    this.user = name;
  }

  received({ id, user, body }: Incoming): void {
    if (id !== undefined && this.inRoom.settle(id)) return;
    const said = decode(body);
    this.inRoom.hear({ ...said, from: user ?? said.from });
    this.#count(this.inRoom);
  }

  receivedPrivately({ id, user, to, body }: Incoming): void {
    // Who it is from is the broker's to say: not the body's, and not that of a guest.
    if (user === null) return;
    const said = { ...decode(body), from: user };
    if (user !== this.user) {
      const conversation = this.#with(user);
      conversation.hear(said);
      this.#count(conversation);
    } else if (id !== undefined && to !== null && to !== user) {
      this.#with(to).echo(id, said);
    }
  }

  presenceIs(body: string): void {
    const { presence, joined, left } = step(this.presence, body);
    this.presence = presence;
    this.#note(joined, 'joined');
    this.#note(left, 'left');
  }

  presenceRefused(reason: string): void {
    this.presence = null;
    this.presenceRefusal = reason;
  }

  receipted(id: string, delivered: number | null): void {
    for (const [partner, conversation] of this.#partners) {
      const line = conversation.lines.find(({ key, status }) => key === id && status === 'sending');
      if (!line) continue;
      if (delivered === 0) return conversation.change(id, { status: 'missed' });
      conversation.settle(id);
      this.#connection?.copy(partner, { id, body: encode(line) });
      return;
    }
    this.inRoom.change(id, { status: 'sent' });
  }

  refused(id: string, reason: string): void {
    for (const conversation of this.#conversations()) conversation.change(id, { status: 'unsent', refusal: reason });
  }

  /** What was said stays, for the same user to come back to. */
  loginRefused(reason: string): void {
    this.#close();
    this.signInError = reason;
    this.#save(false);
  }

  // ---- its own ----

  #connect(passcode: string, token: string): void {
    this.#connection?.close();
    const credentials = { login: this.name, passcode, token };
    this.#connection = new Connection(this.endpoint, credentials, this.room, this.choice, this);
    this.#save(true);
    this.#connection.open();
  }

  #close(): void {
    this.#connection?.close();
    this.#connection = null;
    this.entered = false;
  }

  /** The user went to another room by its address. */
  #follow(room: string): void {
    if (this.#moveTo(room)) this.#connection?.enter(room);
  }

  /** False if one is there. */
  #moveTo(room: string): boolean {
    if (room === this.room) return false;
    this.room = room;
    const { draft } = this.inRoom;
    this.inRoom = new Conversation(null);
    this.inRoom.draft = draft;
    this.show(null);
    return true;
  }

  #with(partner: string): Conversation {
    const known = this.#partners.get(partner);
    if (known) return known;
    const conversation = new Conversation(partner);
    this.#partners.set(partner, conversation);
    return conversation;
  }

  #forgetPartners(): void {
    this.#partners.clear();
    this.#openPartner = null;
  }

  #conversations(): Conversation[] {
    return [this.inRoom, ...this.#partners.values()];
  }

  #send(conversation: Conversation, key: string): void {
    const line = conversation.unsentLine(key);
    if (!line) return;
    const { partner } = conversation;
    const destination = partner === null ? destinationOf(this.room) : privateTo(partner);
    // Before it is sent: the answer may be there at once.
    conversation.change(key, { status: 'sending', refusal: null });
    const sent = this.#connection?.send({ id: key, destination, body: encode(line) }) ?? false;
    if (!sent) conversation.change(key, { status: 'unsent' });
  }

  #count(conversation: Conversation): void {
    if (conversation !== this.open) conversation.unread++;
  }

  #note(names: string[], what: string): void {
    const others = names.filter((name) => name !== this.user);
    if (others.length > 0) this.inRoom.note(`${namesOf(others)} ${what}`);
  }

  #unsend(): void {
    for (const conversation of this.#conversations()) conversation.unsend();
  }

  #save(joined: boolean): void {
    const { name, choice, passcodeExpected: passcode, tokenExpected: token } = this;
    save({ name, joined, passcode, token, choice });
  }
}
