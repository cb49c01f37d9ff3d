import type { ChatMessage } from './body.ts';

/** A message or notice in a conversation. */
export interface Line extends ChatMessage {
  key: string;
  /**
   * State of a message of this user; null for messages of other users. `undelivered`: the broker has accepted the
   * message, but its recipient was offline. `notice`: the line is not a message.
   */
  status: 'sending' | 'sent' | 'unsent' | 'undelivered' | 'notice' | null;
  /** Reason why the broker rejected the message. */
  rejection: string | null;
}

/** Maximum number of lines. The oldest are removed first. */
const LINES_MAX = 500;

let count = 0;

/**
 * Returns whether it is unknown if the message has arrived. Returns false for a rejected message, which would be
 * rejected again.
 */
function isUnconfirmed({ status, rejection }: Line): boolean {
  return status === 'unsent' && rejection === null;
}

/** The messages of a room, or of a private conversation with one user. */
export class Conversation {
  /** Number of messages that arrived while another conversation was shown. */
  unread = $state(0);
  /** Text in the message field. */
  draft = $state('');
  /** Confirmed lines in the broker's order. */
  #confirmed = $state.raw<Line[]>([]);
  /** Messages of this user that the broker has not confirmed. */
  #outgoing = $state.raw<Line[]>([]);
  lines = $derived.by(() => [...this.#confirmed, ...this.#outgoing]);
  isEmpty = $derived.by(() => this.lines.every(({ status }) => status === 'notice'));
  unsent = $derived.by(() => this.#outgoing.filter(isUnconfirmed).length);

  /** `partner` is the other user; null for a room. */
  constructor(readonly partner: string | null) {}

  /** Adds a message of another user. */
  addReceived(message: ChatMessage): void {
    this.#addConfirmed({ ...message, key: `r${++count}`, status: null, rejection: null });
  }

  /** Adds a line that is not a message. */
  addNotice(text: string): void {
    this.#addConfirmed({ from: '', text, at: null, key: `n${++count}`, status: 'notice', rejection: null });
  }

  /** Adds a message that this user sent in another window. */
  addSentElsewhere(key: string, message: ChatMessage): void {
    if (!this.has(key)) this.#addConfirmed({ ...message, key, status: 'sent', rejection: null });
  }

  has(key: string): boolean {
    return this.lines.some((line) => line.key === key);
  }

  /** Adds a message to send. Returns its key. */
  addOutgoing(message: ChatMessage): string {
    const key = crypto.getRandomValues(new Uint32Array(4)).join('-');
    this.#outgoing = [...this.#outgoing, { ...message, key, status: 'unsent', rejection: null }];
    return key;
  }

  /** Returns a message of this user that can be sent for the first time or again. */
  unsentLine(key: string): Line | undefined {
    return this.#outgoing.find((line) => line.key === key && line.status !== 'sending' && line.status !== 'sent');
  }

  unconfirmedKeys(): string[] {
    return this.#outgoing.filter(isUnconfirmed).map(({ key }) => key);
  }

  update(key: string, change: Partial<Line>): void {
    this.#outgoing = this.#outgoing.map((line) => (line.key === key ? { ...line, ...change } : line));
  }

  /** Marks a message of this user as sent. Returns false if no outgoing message has this key. */
  confirm(key: string): boolean {
    const line = this.#outgoing.find((line) => line.key === key);
    if (!line) return false;
    this.discard(key);
    this.#addConfirmed({ ...line, status: 'sent', rejection: null });
    return true;
  }

  discard(key: string): void {
    this.#outgoing = this.#outgoing.filter((line) => line.key !== key);
  }

  /**
   * Marks messages without a RECEIPT as unsent after the connection was lost. It is unknown whether they have arrived.
   */
  markUnsent(): void {
    for (const { key, status } of this.#outgoing) if (status === 'sending') this.update(key, { status: 'unsent' });
  }

  #addConfirmed(line: Line): void {
    this.#confirmed = [...this.#confirmed, line].slice(-LINES_MAX);
  }
}
