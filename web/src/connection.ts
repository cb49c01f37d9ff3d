import { Client, TickerStrategy, type IFrame, type IMessage, type IStompSocket } from '@stomp/stompjs';
import { backoff } from './backoff.ts';
import type { Endpoint } from './endpoint.ts';
import { deliveredOf, headersOf, incoming, type Incoming, type Outgoing } from './message.ts';
import { OWN_MESSAGES } from './people.ts';
import { refusalOf, type Refusal } from './refusal.ts';
import { destinationOf, presenceOf } from './room.ts';
import { nextWay, type Way } from './transports.ts';

/**
 * connected: subscribed to the room, the broker said so. connecting: on the way there. waiting: until the next
 * attempt. disconnected: not before the user asks for it.
 */
export type State = 'connected' | 'connecting' | 'waiting' | 'disconnected';

export interface Credentials {
  login: string;
  /** Kept in memory alone, for reconnecting. */
  passcode: string;
  /** A JWT; with it neither of the others is sent. Kept like the passcode. */
  token: string;
}

/** What a connection tells whoever opened it. */
export interface Listener {
  /** `retryAt`: when the next attempt is made, while waiting. `reason`: why there is no connection. */
  stateIs(state: State, retryAt: number | null, reason: string | null): void;
  /** The transport in use, null while there is none. */
  transportIs(name: string | null): void;
  /** Who one is by the broker's word; null: a guest. */
  userIs(name: string | null): void;
  /** Said in the room. */
  received(message: Incoming): void;
  /** Said to this user alone, or by its own other window. */
  receivedPrivately(message: Incoming): void;
  /** A message of presence: who is in the room. */
  presenceIs(body: string): void;
  /** The broker does not tell who is in the room. */
  presenceRefused(reason: string): void;
  /** The broker has the message; to how many windows it went, if that was counted. */
  receipted(id: string, delivered: number | null): void;
  /** The broker refused this message. */
  refused(id: string, reason: string): void;
  /** The broker does not let this user in, or no longer. */
  loginRefused(reason: string): void;
}

/** One try, which may become a connection. Whatever a try says that is not the current one is not heard. */
interface Attempt {
  client: Client;
  way: Way;
  opened: boolean;
  subscription: string | null;
  /** That of the room's presence. */
  watch: string | null;
  error: Refusal | null;
}

/** Milliseconds until CONNECTED must have come. SockJS may try several transports in that time. */
const TIMEOUT = { native: 8_000, sockjs: 20_000 };
const ERRORS = '/user/queue/errors';

/** A place in a room that is kept: after every loss it connects again, by itself. */
export class Connection {
  #attempt: Attempt | null = null;
  #retries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #subscriptions = 0;
  #state: State = 'disconnected';

  constructor(
    private readonly endpoint: Endpoint,
    private readonly credentials: Credentials,
    private room: string,
    private choice: string,
    private readonly listener: Listener,
  ) {
    window.addEventListener('online', this.#online);
  }

  open(): void {
    this.#retries = 0;
    this.#connect();
  }

  /** Ends it for good. */
  close(): void {
    window.removeEventListener('online', this.#online);
    this.#drop();
    this.#become('disconnected');
  }

  /** Does not wait any longer. */
  retryNow(): void {
    this.#retries = 0;
    this.#connect();
  }

  /** Changes the transport, which takes a new connection. */
  use(choice: string): void {
    this.choice = choice;
    this.#drop();
    this.retryNow();
  }

  enter(room: string): void {
    this.room = room;
    const attempt = this.#attempt;
    if (attempt?.client.connected && !attempt.error) {
      for (const id of [attempt.subscription, attempt.watch]) if (id) attempt.client.unsubscribe(id);
      this.#become('connecting');
      this.#subscribe(attempt);
    } else if (this.#state === 'disconnected') {
      this.retryNow();
    }
  }

  /** Sends; false if there is no connection. The receipt, or its loss, is told to the listener. */
  send({ id, destination, body }: Outgoing): boolean {
    const attempt = this.#attempt;
    if (this.#state !== 'connected' || !attempt?.client.connected) return false;
    attempt.client.watchForReceipt(id, ({ headers }) => {
      if (this.#isCurrent(attempt)) this.listener.receipted(id, deliveredOf(headers));
    });
    attempt.client.publish({ destination, headers: { ...headersOf(id), receipt: id }, body });
    return true;
  }

  /** Shows this user's other windows what went to `to`. Nobody waits for it. */
  copy(to: string, { id, body }: Omit<Outgoing, 'destination'>): void {
    const client = this.#attempt?.client;
    if (!client?.connected) return;
    client.publish({ destination: OWN_MESSAGES, headers: headersOf(id, to), body });
  }

  #online = () => {
    if (this.#state === 'waiting') this.retryNow();
  };

  #become(state: State, retryAt: number | null = null, reason: string | null = null): void {
    this.#state = state;
    this.listener.stateIs(state, retryAt, reason);
  }

  #isCurrent(attempt: Attempt): boolean {
    return this.#attempt === attempt;
  }

  /** Forgets the current attempt and says goodbye to the broker, which may take its time. */
  #drop(): void {
    clearTimeout(this.#timer);
    const client = this.#attempt?.client;
    this.#attempt = null;
    this.listener.transportIs(null);
    void client?.deactivate();
  }

  #connect(): void {
    const last = this.#attempt;
    this.#drop();
    const way = nextWay(this.choice, last);
    const attempt: Attempt = { client: new Client(), way, opened: false, subscription: null, watch: null, error: null };
    this.#attempt = attempt;
    this.#become('connecting');
    this.#prepare(attempt);
    attempt.client.activate();
  }

  #prepare(attempt: Attempt): void {
    const { client, way } = attempt;
    client.configure({
      connectHeaders: this.#connectHeaders(),
      connectionTimeout: TIMEOUT[way.kind],
      reconnectDelay: 0,
      // A hidden page's timers run once a minute: a shorter promise could not be kept.
      heartbeatOutgoing: 60_000,
      heartbeatIncoming: 10_000,
      heartbeatStrategy: TickerStrategy.Interval,
      discardWebsocketOnCommFailure: true,
      onConnect: (frame) => {
        if (this.#isCurrent(attempt)) this.#connected(attempt, frame);
      },
      onStompError: (frame) => {
        if (this.#isCurrent(attempt)) this.#failed(attempt, refusalOf(frame));
      },
      onWebSocketClose: (event: CloseEvent) => this.#isCurrent(attempt) && this.#lost(attempt, event),
    });
    if (way.kind === 'native') {
      client.brokerURL = this.endpoint.webSocket;
      return;
    }
    let sockJs: typeof import('sockjs-client');
    client.beforeConnect = async () => {
      try {
        sockJs = (await import('sockjs-client')).default;
      } catch {
        if (this.#isCurrent(attempt)) this.#retryLater('The rest of this page could not be loaded.');
        await client.deactivate();
      }
    };
    const options = way.transports.length > 0 ? { transports: way.transports } : {};
    client.webSocketFactory = () => new sockJs(this.endpoint.sockJs, null, options) as unknown as IStompSocket;
  }

  #connectHeaders(): Record<string, string> {
    const { login, passcode, token } = this.credentials;
    const soft = { 'soft-errors': 'true' };
    if (token !== '') return { ...soft, Authorization: `Bearer ${token}` };
    return passcode === '' ? { ...soft, login } : { ...soft, login, passcode };
  }

  #connected(attempt: Attempt, { headers }: IFrame): void {
    attempt.opened = true;
    const user = headers['user-name'] ?? null;
    this.listener.userIs(user);
    this.listener.transportIs(transportOf(attempt));
    // The first of all: it says what of the others is refused.
    this.#listen(attempt, ERRORS, 'errors', (message) => this.#refused(attempt, refusalOf(message)));
    if (user !== null) {
      const heard = (message: IMessage) => this.listener.receivedPrivately(incoming(message));
      this.#listen(attempt, OWN_MESSAGES, 'private', heard);
    }
    this.#subscribe(attempt);
  }

  #subscribe(attempt: Attempt): void {
    const number = ++this.#subscriptions;
    const id = `room-${number}`;
    const watch = `presence-${number}`;
    attempt.subscription = id;
    attempt.watch = watch;
    attempt.client.watchForReceipt(id, () => {
      if (!this.#isCurrent(attempt) || attempt.subscription !== id) return;
      this.#retries = 0;
      this.#become('connected');
    });
    this.#listen(attempt, destinationOf(this.room), id, (message) => {
      if (attempt.subscription === id) this.listener.received(incoming(message));
    });
    this.#listen(attempt, presenceOf(this.room), watch, ({ body }) => {
      if (attempt.watch === watch) this.listener.presenceIs(body);
    });
  }

  #listen(attempt: Attempt, destination: string, id: string, heard: (message: IMessage) => void): void {
    const current = (message: IMessage) => this.#isCurrent(attempt) && heard(message);
    attempt.client.subscribe(destination, current, { id, receipt: id });
  }

  /** An ERROR, after which the broker closes. */
  #failed(attempt: Attempt, error: Refusal): void {
    attempt.error = error;
    if (error.signInAgain) {
      this.#drop();
      this.#become('disconnected', null, error.text);
      this.listener.loginRefused(error.text);
    } else {
      this.#refused(attempt, error);
    }
  }

  /** What one frame was about is refused. */
  #refused(attempt: Attempt, { about, destination, text }: Refusal): void {
    const of = (id: string | null, subscribed: string) => (about === undefined ? destination === subscribed : about === id);
    if (of(attempt.watch, presenceOf(this.room))) {
      this.listener.presenceRefused(text);
    } else if (of(attempt.subscription, destinationOf(this.room))) {
      // The room is refused, and would be again: only the user can go on from here.
      this.#drop();
      this.#become('disconnected', null, text);
    } else if (about !== undefined) {
      this.listener.refused(about, text);
    }
  }

  #lost(attempt: Attempt, event: CloseEvent): void {
    this.listener.transportIs(null);
    this.#retryLater(attempt.error?.text ?? reasonOf(event));
  }

  #retryLater(reason: string | null): void {
    const wait = backoff(this.#retries++);
    this.#become('waiting', Date.now() + wait, reason);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }
}

function transportOf({ client, way }: Attempt): string {
  if (way.kind === 'native') return 'WebSocket';
  const socket = client.webSocket as { transport?: string } | undefined;
  return `SockJS ${socket?.transport ?? ''}`.trim();
}

function reasonOf(event: CloseEvent): string | null {
  return event.reason && event.code !== 1000 && event.code !== 4001 ? event.reason : null;
}
