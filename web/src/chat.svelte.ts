import { SvelteMap } from 'svelte/reactivity';
import { decode, encode } from './body.ts';
import { Connection, type Listener, type State } from './connection.ts';
import { Conversation } from './conversation.svelte.ts';
import type { Endpoint } from './endpoint.ts';
import type { Incoming } from './message.ts';
import { joinNames, listPeople, privateDestination } from './people.ts';
import { applyPresence, type Presence } from './presence.ts';
import { DEFAULT_ROOM, destinationOf, hashOfRoom, roomNamed, roomOfHash } from './room.ts';
import { load, save } from './stored.ts';

/** The contents of the sign-in form. */
export interface SignInForm {
  name: string;
  passcode: string;
  token: string;
  room: string;
}

/** The state of the page. */
export class Chat implements Listener {
  /** Name that the user has entered. */
  name = $state('');
  /** User name that the broker has confirmed; null for a guest, whose name is only displayed. */
  user = $state<string | null>(null);
  displayName = $derived.by(() => this.user ?? (this.name || 'guest'));
  room = $state(DEFAULT_ROOM);
  choice = $state('');
  state = $state<State>('disconnected');
  transport = $state<string | null>(null);
  retryAt = $state<number | null>(null);
  reason = $state<string | null>(null);
  /** Whether the page shows the room. Otherwise it shows the sign-in form. */
  entered = $state(false);
  /** Reason why the page shows the sign-in form again. */
  signInError = $state<string | null>(null);
  passcodeExpected = $state(false);
  tokenExpected = $state(false);
  joining = $derived.by(() => !this.entered && this.state !== 'disconnected');

  /** Users and guests in the room; null before the first snapshot. */
  presence = $state.raw<Presence | null>(null);
  /** Reason why the broker does not send the presence of the room. */
  presenceError = $state<string | null>(null);
  roomConversation = $state.raw(new Conversation(null));
  /** Private conversations. The key is the name of the other user. */
  #partners = new SvelteMap<string, Conversation>();
  #openPartner = $state<string | null>(null);
  /** The conversation that the page shows. */
  openConversation = $derived.by(() => this.privateWith(this.#openPartner) ?? this.roomConversation);
  people = $derived.by(() => listPeople(this.presence, this.user, this.#partners.keys()));
  unread = $derived.by(() => [this.roomConversation, ...this.#partners.values()].reduce((sum, { unread }) => sum + unread, 0));

  #connection: Connection | null = null;

  constructor(private readonly endpoint: Endpoint) {
    const stored = load();
    this.name = stored.name;
    this.choice = stored.choice;
    this.passcodeExpected = stored.passcode;
    this.tokenExpected = stored.token;
    this.room = roomOfHash(location.hash) ?? DEFAULT_ROOM;
    window.addEventListener('hashchange', () => this.#onHashChange(roomOfHash(location.hash) ?? DEFAULT_ROOM));
    if (!stored.joined) return;
    if (stored.passcode || stored.token) {
      const what = stored.token ? 'Tokens' : 'Passcodes';
      this.signInError = `${what} are not stored. Please enter yours again.`;
    } else {
      this.entered = true;
      this.#connect('', '');
    }
  }

  join({ name, passcode, token, room }: SignInForm): void {
    this.name = name.trim();
    this.#changeRoom(roomNamed(room));
    this.signInError = null;
    this.passcodeExpected = passcode !== '' && token === '';
    this.tokenExpected = token !== '';
    history.replaceState(null, '', hashOfRoom(this.room));
    this.#connect(passcode, token);
  }

  leave(): void {
    this.#close();
    this.user = null;
    this.roomConversation = new Conversation(null);
    this.#forgetPartners();
    this.#save(false);
  }

  // ---- conversations ----

  privateWith(partner: string | null): Conversation | undefined {
    return partner === null ? undefined : this.#partners.get(partner);
  }

  /** Shows the private conversation with `partner`, or the room if `partner` is null. */
  show(partner: string | null): void {
    this.#openPartner = partner;
    if (partner !== null) this.#conversationWith(partner);
    this.openConversation.unread = 0;
  }

  sendMessage(text: string): void {
    const { openConversation } = this;
    this.#send(openConversation, openConversation.addOutgoing({ from: this.displayName, text, at: new Date() }));
  }

  sendAgain(key: string): void {
    this.#send(this.openConversation, key);
  }

  sendAllAgain(): void {
    for (const key of this.openConversation.unconfirmedKeys()) this.sendAgain(key);
  }

  discard(key: string): void {
    this.openConversation.discard(key);
  }

  // ---- the connection ----

  changeTransport(choice: string): void {
    this.choice = choice;
    this.#save(this.#connection !== null);
    if (this.#connection) this.#markUnsent();
    this.#connection?.changeTransport(choice);
  }

  retryNow(): void {
    this.#connection?.retryNow();
  }

  onStateChange(state: State, retryAt: number | null, reason: string | null): void {
    this.state = state;
    this.retryAt = retryAt;
    if (state !== 'connecting') this.reason = reason;
    if (state === 'connected' || state === 'waiting') this.entered = true;
    if (state === 'connected') return;
    this.#markUnsent();
    this.presence = this.presenceError = null;
  }

  onTransportChange(name: string | null): void {
    this.transport = name;
  }

  onUserChange(name: string | null): void {
    if (name === this.user) return;
    // The new user must not see the messages of the previous user.
    if (this.user !== null) this.roomConversation = new Conversation(null);
    this.#forgetPartners();
    this.user = name;
  }

  onMessage({ id, user, body }: Incoming): void {
    if (id !== undefined && this.roomConversation.confirm(id)) return;
    const message = decode(body);
    this.roomConversation.addReceived({ ...message, from: user ?? message.from });
    this.#countUnread(this.roomConversation);
  }

  onPrivateMessage({ id, user, to, body }: Incoming): void {
    // Only the header `user-name`, which the broker sets, identifies the sender. The body can be forged. Messages of
    // guests are ignored, because guests have no identity.
    if (user === null) return;
    const message = { ...decode(body), from: user };
    if (user !== this.user) {
      const conversation = this.#conversationWith(user);
      conversation.addReceived(message);
      this.#countUnread(conversation);
    } else if (id !== undefined && to !== null && to !== user) {
      this.#conversationWith(to).addSentElsewhere(id, message);
    }
  }

  onPresence(body: string): void {
    const { presence, joined, left } = applyPresence(this.presence, body);
    this.presence = presence;
    this.#addNotice(joined, 'joined');
    this.#addNotice(left, 'left');
  }

  onPresenceRejected(reason: string): void {
    this.presence = null;
    this.presenceError = reason;
  }

  onReceipt(id: string, delivered: number | null): void {
    for (const [partner, conversation] of this.#partners) {
      const line = conversation.lines.find(({ key, status }) => key === id && status === 'sending');
      if (!line) continue;
      if (delivered === 0) return conversation.update(id, { status: 'undelivered' });
      conversation.confirm(id);
      this.#connection?.sendCopy(partner, { id, body: encode(line) });
      return;
    }
    this.roomConversation.update(id, { status: 'sent' });
  }

  onRejected(id: string, reason: string): void {
    for (const conversation of this.#conversations()) conversation.update(id, { status: 'unsent', rejection: reason });
  }

  /** Shows the sign-in form. Keeps the messages, because the same user may sign in again. */
  onLoginFailed(reason: string): void {
    this.#close();
    this.signInError = reason;
    this.#save(false);
  }

  // ---- internals ----

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

  /** Changes the room after the user has changed the address of the page. */
  #onHashChange(room: string): void {
    if (this.#changeRoom(room)) this.#connection?.changeRoom(room);
  }

  /** Changes the room. Returns false if `room` is the current room. */
  #changeRoom(room: string): boolean {
    if (room === this.room) return false;
    this.room = room;
    const { draft } = this.roomConversation;
    this.roomConversation = new Conversation(null);
    this.roomConversation.draft = draft;
    this.show(null);
    return true;
  }

  #conversationWith(partner: string): Conversation {
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
    return [this.roomConversation, ...this.#partners.values()];
  }

  #send(conversation: Conversation, key: string): void {
    const line = conversation.unsentLine(key);
    if (!line) return;
    const { partner } = conversation;
    const destination = partner === null ? destinationOf(this.room) : privateDestination(partner);
    // The status changes before sending, because the receipt may arrive immediately.
    conversation.update(key, { status: 'sending', rejection: null });
    const sent = this.#connection?.send({ id: key, destination, body: encode(line) }) ?? false;
    if (!sent) conversation.update(key, { status: 'unsent' });
  }

  #countUnread(conversation: Conversation): void {
    if (conversation !== this.openConversation) conversation.unread++;
  }

  #addNotice(names: string[], what: string): void {
    const others = names.filter((name) => name !== this.user);
    if (others.length > 0) this.roomConversation.addNotice(`${joinNames(others)} ${what}`);
  }

  #markUnsent(): void {
    for (const conversation of this.#conversations()) conversation.markUnsent();
  }

  #save(joined: boolean): void {
    const { name, choice, passcodeExpected: passcode, tokenExpected: token } = this;
    save({ name, joined, passcode, token, choice });
  }
}
