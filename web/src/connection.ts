import { Client, TickerStrategy, type IFrame, type IMessage, type IStompSocket } from '@stomp/stompjs';
import { backoff } from './backoff.ts';
import type { Endpoint } from './endpoint.ts';
import { PRIVATE, privateDestination } from './people.ts';
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
  /** Instead of a passcode; kept in memory alone, too. */
  token: string;
}

/** What a connection tells whoever opened it. */
export interface Listener {
  /** `retryAt`: when the next attempt is made, while waiting. `reason`: why there is no connection. */
  stateIs(state: State, retryAt: number | null, reason: string | null): void;
  /** The transport in use, null while there is none. */
  transportIs(name: string | null): void;
  /** Who one is to the broker; null: a guest. */
  knownAs(user: string | null): void;
  /** `sender`: as the broker knows it, if it says so. */
  received(id: string | undefined, body: string, sender: string | undefined): void;
  /** From a user alone; `to`: a copy of what one has written to that user in another window. */
  receivedPrivately(id: string | undefined, body: string, sender: string | undefined, to: string | undefined): void;
  /** A message of `/presence/…`. */
  presenceTold(body: string): void;
  presenceRefused(): void;
  /** The broker has the message. `sessions`: to how many of a user's sessions it has given it. */
  receipted(id: string, sessions: number | null): void;
  /** The broker refused this message; it closes the connection with that. */
  refused(id: string, reason: string): void;
  /** The broker does not let this user in. */
  loginRefused(reason: string): void;
}

/** One try, which may become a connection. Whatever a try says that is not the current one is not heard. */
interface Attempt {
  client: Client;
  way: Way;
  opened: boolean;
  subscription: string | null;
  presence: string | null;
  /** The broker said that the presence is subscribed to. */
  presenceGranted: boolean;
  error: IFrame | null;
}

/** Milliseconds until CONNECTED must have come. SockJS may try several transports in that time. */
const TIMEOUT = { native: 8_000, sockjs: 20_000 };
/** Our own header: with it a message that comes back from the broker is known again by its sender. */
const ID_HEADER = 'chat-id';
/** Ours, too: for whom a copy was meant. */
const TO_HEADER = 'chat-to';
const ERRORS = '/user/queue/errors';
/** ERRORs behind which one has to sign in again. */
const SIGN_IN_AGAIN = ['login refused', 'token expired', 'token refused', 'access revoked'];

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
      if (attempt.subscription) attempt.client.unsubscribe(attempt.subscription);
      if (attempt.presence && attempt.presenceGranted) attempt.client.unsubscribe(attempt.presence);
      this.#become('connecting');
      this.#subscribe(attempt);
    } else if (this.#state === 'disconnected') {
      this.retryNow();
    }
  }

  /** Sends to the room; false if there is no connection. The receipt, or its loss, is told to the listener. */
  send(id: string, body: string): boolean {
    return this.#publish(destinationOf(this.room), id, body);
  }

  /** The same to one user; when somebody has it, one's own other windows get it, too. */
  sendTo(name: string, id: string, body: string): boolean {
    return this.#publish(privateDestination(name), id, body, () => {
      const headers = { 'content-type': 'application/json', [ID_HEADER]: id, [TO_HEADER]: name };
      this.#attempt?.client.publish({ destination: PRIVATE, headers, body });
    });
  }

  #publish(destination: string, id: string, body: string, arrived?: () => void): boolean {
    const attempt = this.#attempt;
    if (this.#state !== 'connected' || !attempt?.client.connected) return false;
    attempt.client.watchForReceipt(id, ({ headers }) => {
      const sessions = headers['delivered-sessions'];
      if (!this.#isCurrent(attempt)) return;
      if (sessions !== '0') arrived?.();
      this.listener.receipted(id, sessions === undefined ? null : Number(sessions));
    });
    attempt.client.publish({
      destination,
      headers: { 'content-type': 'application/json', receipt: id, [ID_HEADER]: id },
      body,
    });
    return true;
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
    const attempt: Attempt = { client: new Client(), way, opened: false, subscription: null, presence: null, presenceGranted: false, error: null };
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
      onConnect: (frame) => this.#isCurrent(attempt) && this.#connected(attempt, frame),
      onStompError: (frame) => {
        if (this.#isCurrent(attempt)) this.#failed(attempt, frame);
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
    if (token !== '') return { Authorization: `Bearer ${token}`, ...soft };
    return passcode === '' ? { login, ...soft } : { login, passcode, ...soft };
  }

  #connected(attempt: Attempt, frame: IFrame): void {
    attempt.opened = true;
    this.listener.transportIs(transportOf(attempt));
    this.listener.knownAs(frame.headers['user-name'] ?? null);
    const subscribe = (destination: string, heard: (message: IMessage) => void) => {
      attempt.client.subscribe(destination, (message) => this.#isCurrent(attempt) && heard(message));
    };
    subscribe(ERRORS, (message) => this.#refused(attempt, message));
    subscribe(PRIVATE, ({ headers, body }) => {
      this.listener.receivedPrivately(headers[ID_HEADER], body, headers['user-name'], headers[TO_HEADER]);
    });
    this.#subscribe(attempt);
  }

  /** Something was refused, and the connection lives. Nobody but the broker sends there. */
  #refused(attempt: Attempt, { headers, body }: IMessage): void {
    const [about, destination] = [headers['receipt-id'], headers['refused']];
    // What had been granted may be taken away later, and then answers no frame.
    const [isPresence, isRoom] = about === undefined
      ? [destination === presenceOf(this.room), destination === destinationOf(this.room)]
      : [about === attempt.presence, about === attempt.subscription];
    if (isPresence) {
      attempt.presence = null;
      this.listener.presenceRefused();
    } else if (isRoom) {
      this.#drop();
      this.#become('disconnected', null, body);
    } else if (about !== undefined) {
      this.listener.refused(about, body);
    }
  }

  #subscribe(attempt: Attempt): void {
    const id = `room-${++this.#subscriptions}`;
    attempt.subscription = id;
    attempt.client.watchForReceipt(id, () => {
      if (!this.#isCurrent(attempt) || attempt.subscription !== id) return;
      this.#retries = 0;
      this.#become('connected');
    });
    const received = (message: IMessage) => {
      if (!this.#isCurrent(attempt) || attempt.subscription !== id) return;
      this.listener.received(message.headers[ID_HEADER], message.body, message.headers['user-name']);
    };
    attempt.client.subscribe(destinationOf(this.room), received, { id, receipt: id });
    const presence = (attempt.presence = `people-${this.#subscriptions}`);
    const told = (message: IMessage) => {
      if (this.#isCurrent(attempt) && attempt.presence === presence) this.listener.presenceTold(message.body);
    };
    attempt.presenceGranted = false;
    attempt.client.watchForReceipt(presence, () => {
      if (attempt.presence === presence) attempt.presenceGranted = true;
    });
    attempt.client.subscribe(presenceOf(this.room), told, { id: presence, receipt: presence });
  }

  /** An ERROR, after which the broker closes. */
  #failed(attempt: Attempt, frame: IFrame): void {
    attempt.error = frame;
    const about = frame.headers['receipt-id'];
    if (SIGN_IN_AGAIN.includes(frame.headers['message'] ?? '')) {
      this.#drop();
      this.#become('disconnected', null, textOf(frame));
      this.listener.loginRefused(textOf(frame));
    } else if (about !== undefined && about === attempt.subscription) {
      // The room is refused, and would be again: only the user can go on from here.
      this.#drop();
      this.#become('disconnected', null, textOf(frame));
    } else if (about !== undefined) {
      this.listener.refused(about, textOf(frame));
    }
  }

  #lost(attempt: Attempt, event: CloseEvent): void {
    this.listener.transportIs(null);
    this.#retryLater(attempt.error ? textOf(attempt.error) : reasonOf(event));
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

/** What an ERROR says, in a sentence: its body, else its summary. */
function textOf(frame: IFrame): string {
  return frame.body.trim() || frame.headers['message'] || 'The broker refused.';
}

function reasonOf(event: CloseEvent): string | null {
  return event.reason && event.code !== 1000 && event.code !== 4001 ? event.reason : null;
}
