import type { IMessage, StompHeaders } from '@stomp/stompjs';

/** Our own header: with it a message that comes back from the broker is known again by its sender. */
const ID = 'chat-id';
/** Our own: to whom a message went that a user's other windows are shown. */
const TO = 'chat-to';

/** What came from the broker, and who sent it by its word: null for a guest, or where it does not say. */
export interface Incoming {
  id: string | undefined;
  user: string | null;
  /** To whom this user's own other window sent it. */
  to: string | null;
  body: string;
}

/** What goes to the broker. */
export interface Outgoing {
  id: string;
  destination: string;
  body: string;
}

export function incoming({ headers, body }: Pick<IMessage, 'headers' | 'body'>): Incoming {
  return { id: headers[ID], user: headers['user-name'] ?? null, to: headers[TO] ?? null, body };
}

export function headersOf(id: string, to?: string): StompHeaders {
  const headers = { 'content-type': 'application/json', [ID]: id };
  return to === undefined ? headers : { ...headers, [TO]: to };
}

/** To how many windows a message went, by the headers of its receipt; null if that was not counted. */
export function deliveredOf(headers: StompHeaders): number | null {
  const value = headers['delivered-sessions'];
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : null;
}
