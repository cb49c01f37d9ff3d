import { AUTOMATIC, isChoice } from './transports.ts';

/**
 * What survives a reload of this window: who one is and by which transport, never a passcode or a token. The room is in the
 * URL's hash.
 */
export interface Stored {
  name: string;
  /** In a room when the page went away: it signs in again by itself. */
  joined: boolean;
  /** A passcode was used, so that it must be asked for again. */
  passcode: boolean;
  /** The same of a token. */
  token: boolean;
  choice: string;
}

const KEY = 'stompbox-chat';

export function load(): Stored {
  const stored: Stored = { name: '', joined: false, passcode: false, token: false, choice: AUTOMATIC };
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? '{}');
    if (typeof value !== 'object' || value === null) return stored;
    const { name, joined, passcode, token, choice } = value as Partial<Stored>;
    if (typeof name === 'string') stored.name = name;
    if (typeof choice === 'string' && isChoice(choice)) stored.choice = choice;
    stored.passcode = passcode === true;
    stored.token = token === true;
    stored.joined = joined === true && (stored.name !== '' || stored.token);
  } catch {
    // No storage, or not ours: a first visit.
  }
  return stored;
}

export function save(stored: Stored): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(stored));
  } catch {
    // A browser that stores nothing: the name is asked for again after a reload.
  }
}
