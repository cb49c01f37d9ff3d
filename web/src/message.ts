import type { IMessage, StompHeaders } from '@stomp/stompjs';

/** Application header by which a window recognises its own message when the broker delivers it. */
const ID = 'chat-id';
/** Application header of a copy for the other windows of the user. It names the recipient of the original message. */
const TO = 'chat-to';

/** A message from the broker. `user` is the sender according to the broker; null for a guest. */
export interface Incoming {
  id: string | undefined;
  user: string | null;
  /** Recipient of the original message if this is a copy from another window of the user; otherwise null. */
  to: string | null;
  body: string;
}

/** A message to the broker. */
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

/**
 * Returns the number of windows that received a message, according to the headers of its RECEIPT; null if it is not
 * stated.
 */
export function deliveredOf(headers: StompHeaders): number | null {
  const value = headers['delivered-sessions'];
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : null;
}
