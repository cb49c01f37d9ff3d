import { Client, TickerStrategy, type IFrame, type IMessage, type IStompSocket } from '@stomp/stompjs';
import { backoff } from './backoff.ts';
import type { Endpoint } from './endpoint.ts';
import { deliveredOf, headersOf, incoming, type Incoming, type Outgoing } from './message.ts';
import { OWN_MESSAGES } from './people.ts';
import { rejectionOf, type Rejection } from './rejection.ts';
import { destinationOf, presenceOf } from './room.ts';
import { nextMethod, type ConnectMethod } from './transports.ts';

/**
 * State of a connection. `connected`: the broker has confirmed the subscription to the room. `connecting`: an attempt
 * is in progress. `waiting`: the next attempt starts after a delay. `disconnected`: the next attempt starts when the
 * user requests it.
 */
export type State = 'connected' | 'connecting' | 'waiting' | 'disconnected';

export interface Credentials {
  login: string;
  /** Kept only in memory, for reconnecting. */
  passcode: string;
  /** A JWT, which replaces login and passcode. Kept only in memory. */
  token: string;
}

/** Receives the events of a connection. */
export interface Listener {
  /** `retryAt` is the time of the next attempt in the state `waiting`; `reason` says why there is no connection. */
  onStateChange(state: State, retryAt: number | null, reason: string | null): void;
  /** `name` is the transport in use; null without a connection. */
  onTransportChange(name: string | null): void;
  /** `name` is the user name that the broker has confirmed; null for a guest. */
  onUserChange(name: string | null): void;
  /** A message in the room has arrived. */
  onMessage(message: Incoming): void;
  /** A private message to this user has arrived, or a copy from another window of this user. */
  onPrivateMessage(message: Incoming): void;
  /** A presence message about the room has arrived. */
  onPresence(body: string): void;
  /** The broker has rejected the subscription to the presence of the room. */
  onPresenceRejected(reason: string): void;
  /** The broker has accepted a message. `delivered` is the number of windows that receive it, or null if unknown. */
  onReceipt(id: string, delivered: number | null): void;
  /** The broker has rejected a message. */
  onRejected(id: string, reason: string): void;
  /** The login has failed, or the broker has ended the session of this user. */
  onLoginFailed(reason: string): void;
}

/** An attempt to connect, and its connection if it succeeds. Events of earlier attempts are ignored. */
interface Attempt {
  client: Client;
  method: ConnectMethod;
  opened: boolean;
  subscription: string | null;
  /** Id of the subscription to the room's presence. */
  presenceSubscription: string | null;
  error: Rejection | null;
}

/**
 * Milliseconds within which CONNECTED must arrive, for each kind of method. SockJS may try several transports in this
 * time.
 */
const TIMEOUT = { native: 8_000, sockjs: 20_000 };
const ERRORS = '/user/queue/errors';

/** A connection to a room, which reconnects after each connection loss. */
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
    window.addEventListener('online', this.#onOnline);
  }

  open(): void {
    this.#retries = 0;
    this.#connect();
  }

  /** Closes the connection and does not reconnect. */
  close(): void {
    window.removeEventListener('online', this.#onOnline);
    this.#abandonAttempt();
    this.#setState('disconnected');
  }

  /** Starts the next attempt to connect immediately. */
  retryNow(): void {
    this.#retries = 0;
    this.#connect();
  }

  /** Changes the transport and reconnects. */
  changeTransport(choice: string): void {
    this.choice = choice;
    this.#abandonAttempt();
    this.retryNow();
  }

  changeRoom(room: string): void {
    this.room = room;
    const attempt = this.#attempt;
    if (attempt?.client.connected && !attempt.error) {
      for (const id of [attempt.subscription, attempt.presenceSubscription]) if (id) attempt.client.unsubscribe(id);
      this.#setState('connecting');
      this.#subscribe(attempt);
    } else if (this.#state === 'disconnected') {
      this.retryNow();
    }
  }

  /**
   * Sends a message and requests a RECEIPT, which is passed to the listener. Returns false if there is no connection.
   */
  send({ id, destination, body }: Outgoing): boolean {
    const attempt = this.#attempt;
    if (this.#state !== 'connected' || !attempt?.client.connected) return false;
    attempt.client.watchForReceipt(id, ({ headers }) => {
      if (this.#isCurrent(attempt)) this.listener.onReceipt(id, deliveredOf(headers));
    });
    attempt.client.publish({ destination, headers: { ...headersOf(id), receipt: id }, body });
    return true;
  }

  /**
   * Sends a copy of a message that was sent to the user `to`. The other windows of this user receive the copy. Requests
   * no RECEIPT.
   */
  sendCopy(to: string, { id, body }: Omit<Outgoing, 'destination'>): void {
    const client = this.#attempt?.client;
    if (!client?.connected) return;
    client.publish({ destination: OWN_MESSAGES, headers: headersOf(id, to), body });
  }

  #onOnline = () => {
    if (this.#state === 'waiting') this.retryNow();
  };

  #setState(state: State, retryAt: number | null = null, reason: string | null = null): void {
    this.#state = state;
    this.listener.onStateChange(state, retryAt, reason);
  }

  #isCurrent(attempt: Attempt): boolean {
    return this.#attempt === attempt;
  }

  /** Abandons the current attempt. Its connection closes in the background. */
  #abandonAttempt(): void {
    clearTimeout(this.#timer);
    const client = this.#attempt?.client;
    this.#attempt = null;
    this.listener.onTransportChange(null);
    void client?.deactivate();
  }

  #connect(): void {
    const last = this.#attempt;
    this.#abandonAttempt();
    const method = nextMethod(this.choice, last);
    const attempt: Attempt = { client: new Client(), method, opened: false, subscription: null, presenceSubscription: null, error: null };
    this.#attempt = attempt;
    this.#setState('connecting');
    this.#prepare(attempt);
    attempt.client.activate();
  }

  #prepare(attempt: Attempt): void {
    const { client, method } = attempt;
    client.configure({
      connectHeaders: this.#connectHeaders(),
      connectionTimeout: TIMEOUT[method.kind],
      reconnectDelay: 0,
      // Browsers run the timers of a hidden page only once a minute, so heartbeats at shorter intervals would be late.
      heartbeatOutgoing: 60_000,
      heartbeatIncoming: 10_000,
      heartbeatStrategy: TickerStrategy.Interval,
      discardWebsocketOnCommFailure: true,
      onConnect: (frame) => {
        if (this.#isCurrent(attempt)) this.#connected(attempt, frame);
      },
      onStompError: (frame) => {
        if (this.#isCurrent(attempt)) this.#failed(attempt, rejectionOf(frame));
      },
      onWebSocketClose: (event: CloseEvent) => this.#isCurrent(attempt) && this.#lost(attempt, event),
    });
    if (method.kind === 'native') {
      client.brokerURL = this.endpoint.webSocket;
      return;
    }
    let sockJs: typeof import('sockjs-client');
    client.beforeConnect = async () => {
      try {
        sockJs = (await import('sockjs-client')).default;
      } catch {
        if (this.#isCurrent(attempt)) this.#retryLater('The SockJS client could not be loaded.');
        await client.deactivate();
      }
    };
    const options = method.transports.length > 0 ? { transports: method.transports } : {};
    client.webSocketFactory = () => new sockJs(this.endpoint.sockJs, null, options) as unknown as IStompSocket;
  }

  #connectHeaders(): Record<string, string> {
    const { login, passcode, token } = this.credentials;
    const headers = { 'soft-errors': 'true' };
    if (token !== '') return { ...headers, Authorization: `Bearer ${token}` };
    return passcode === '' ? { ...headers, login } : { ...headers, login, passcode };
  }

  #connected(attempt: Attempt, { headers }: IFrame): void {
    attempt.opened = true;
    const user = headers['user-name'] ?? null;
    this.listener.onUserChange(user);
    this.listener.onTransportChange(transportOf(attempt));
    // Subscribes to errors first, because the broker uses this subscription to report rejections of the others.
    this.#listen(attempt, ERRORS, 'errors', (message) => this.#onRejected(attempt, rejectionOf(message)));
    if (user !== null) {
      const onMessage = (message: IMessage) => this.listener.onPrivateMessage(incoming(message));
      this.#listen(attempt, OWN_MESSAGES, 'private', onMessage);
    }
    this.#subscribe(attempt);
  }

  #subscribe(attempt: Attempt): void {
    const number = ++this.#subscriptions;
    const id = `room-${number}`;
    const presenceId = `presence-${number}`;
    attempt.subscription = id;
    attempt.presenceSubscription = presenceId;
    attempt.client.watchForReceipt(id, () => {
      if (!this.#isCurrent(attempt) || attempt.subscription !== id) return;
      this.#retries = 0;
      this.#setState('connected');
    });
    this.#listen(attempt, destinationOf(this.room), id, (message) => {
      if (attempt.subscription === id) this.listener.onMessage(incoming(message));
    });
    this.#listen(attempt, presenceOf(this.room), presenceId, ({ body }) => {
      if (attempt.presenceSubscription === presenceId) this.listener.onPresence(body);
    });
  }

  #listen(attempt: Attempt, destination: string, id: string, onMessage: (message: IMessage) => void): void {
    const ifCurrent = (message: IMessage) => this.#isCurrent(attempt) && onMessage(message);
    attempt.client.subscribe(destination, ifCurrent, { id, receipt: id });
  }

  /** Handles an ERROR, after which the broker closes the connection. */
  #failed(attempt: Attempt, error: Rejection): void {
    attempt.error = error;
    if (error.signInAgain) {
      this.#abandonAttempt();
      this.#setState('disconnected', null, error.text);
      this.listener.onLoginFailed(error.text);
    } else {
      this.#onRejected(attempt, error);
    }
  }

  /** Handles the rejection of a frame. */
  #onRejected(attempt: Attempt, { receiptId, destination, text }: Rejection): void {
    const isAbout = (id: string | null, subscribed: string) => (receiptId === undefined ? destination === subscribed : receiptId === id);
    if (isAbout(attempt.presenceSubscription, presenceOf(this.room))) {
      this.listener.onPresenceRejected(text);
    } else if (isAbout(attempt.subscription, destinationOf(this.room))) {
      // The broker would reject the room again, so the connection waits for the user.
      this.#abandonAttempt();
      this.#setState('disconnected', null, text);
    } else if (receiptId !== undefined) {
      this.listener.onRejected(receiptId, text);
    }
  }

  #lost(attempt: Attempt, event: CloseEvent): void {
    this.listener.onTransportChange(null);
    this.#retryLater(attempt.error?.text ?? reasonOf(event));
  }

  #retryLater(reason: string | null): void {
    const wait = backoff(this.#retries++);
    this.#setState('waiting', Date.now() + wait, reason);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }
}

function transportOf({ client, method }: Attempt): string {
  if (method.kind === 'native') return 'WebSocket';
  const socket = client.webSocket as { transport?: string } | undefined;
  return `SockJS ${socket?.transport ?? ''}`.trim();
}

function reasonOf(event: CloseEvent): string | null {
  return event.reason && event.code !== 1000 && event.code !== 4001 ? event.reason : null;
}
