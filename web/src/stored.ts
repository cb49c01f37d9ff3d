import { AUTOMATIC, isChoice } from './transports.ts';

/**
 * State that survives a reload of this window. It contains no passcodes and tokens. The room is stored in the hash of
 * the URL.
 */
export interface Stored {
  name: string;
  /** Whether the page was in a room when it closed. It then signs in again automatically. */
  joined: boolean;
  /** Whether a passcode was used. The user must then enter it again. */
  passcode: boolean;
  /** Whether a token was used. The user must then enter it again. */
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
    // Storage is not available, or its content is invalid. The defaults apply.
  }
  return stored;
}

export function save(stored: Stored): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(stored));
  } catch {
    // Storage is not available. The user must enter the name again after a reload.
  }
}
