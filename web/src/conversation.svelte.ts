import type { Said } from './body.ts';

/** A line of a conversation. */
export interface Line extends Said {
  key: string;
  /**
   * Our own: how far it came; missed: the broker has it, and nobody was there to get it. notice: nobody said it.
   * What came from others has none.
   */
  status: 'sending' | 'sent' | 'unsent' | 'missed' | 'notice' | null;
  /** Why the broker refused it. */
  refusal: string | null;
}

/** Lines that are kept; the oldest go first. */
const LINES_MAX = 500;

let count = 0;

/** Nobody knows whether it arrived. What the broker refused, it would refuse again. */
function isLost({ status, refusal }: Line): boolean {
  return status === 'unsent' && refusal === null;
}

/** What is said in a room, or with one user. */
export class Conversation {
  /** What has come while one looked elsewhere. */
  unread = $state(0);
  /** What is being written. */
  draft = $state('');
  /** In the broker's order. */
  #settled = $state.raw<Line[]>([]);
  /** Ours that have not come back from the broker. */
  #outgoing = $state.raw<Line[]>([]);
  lines = $derived.by(() => [...this.#settled, ...this.#outgoing]);
  silent = $derived.by(() => this.lines.every(({ status }) => status === 'notice'));
  unsent = $derived.by(() => this.#outgoing.filter(isLost).length);

  /** `partner`: the one user it is with, null for a room. */
  constructor(readonly partner: string | null) {}

  /** Somebody else said it. */
  hear(said: Said): void {
    this.#settle({ ...said, key: `r${++count}`, status: null, refusal: null });
  }

  /** Said by nobody. */
  note(text: string): void {
    this.#settle({ from: '', text, at: null, key: `n${++count}`, status: 'notice', refusal: null });
  }

  /** This user said it in another window. */
  echo(key: string, said: Said): void {
    if (!this.has(key)) this.#settle({ ...said, key, status: 'sent', refusal: null });
  }

  has(key: string): boolean {
    return this.lines.some((line) => line.key === key);
  }

  /** A new line of one's own; its key. */
  write(said: Said): string {
    const key = crypto.getRandomValues(new Uint32Array(4)).join('-');
    this.#outgoing = [...this.#outgoing, { ...said, key, status: 'unsent', refusal: null }];
    return key;
  }

  /** One's own line that waits for being sent. */
  unsentLine(key: string): Line | undefined {
    return this.#outgoing.find((line) => line.key === key && line.status !== 'sending' && line.status !== 'sent');
  }

  lost(): string[] {
    return this.#outgoing.filter(isLost).map(({ key }) => key);
  }

  change(key: string, change: Partial<Line>): void {
    this.#outgoing = this.#outgoing.map((line) => (line.key === key ? { ...line, ...change } : line));
  }

  /** It is where it belongs: false if it was not on its way. */
  settle(key: string): boolean {
    const line = this.#outgoing.find((line) => line.key === key);
    if (!line) return false;
    this.discard(key);
    this.#settle({ ...line, status: 'sent', refusal: null });
    return true;
  }

  discard(key: string): void {
    this.#outgoing = this.#outgoing.filter((line) => line.key !== key);
  }

  /** Without a receipt before the connection was lost, nobody knows whether the messages arrived. */
  unsend(): void {
    for (const { key, status } of this.#outgoing) if (status === 'sending') this.change(key, { status: 'unsent' });
  }

  #settle(line: Line): void {
    this.#settled = [...this.#settled, line].slice(-LINES_MAX);
  }
}
