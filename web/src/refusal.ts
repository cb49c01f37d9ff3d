import type { IFrame } from '@stomp/stompjs';

/** ERRORs that one can only sign in again after. */
const SIGN_IN_AGAIN = new Set(['login failed', 'token expired', 'token refused', 'access revoked']);

/** What the broker says no to, in an ERROR or a message of errors: their headers and bodies are the same. */
export interface Refusal {
  /** The receipt that was asked for, and is not coming. */
  about: string | undefined;
  /** The destination, where a subscription ends that there was. */
  destination: string | undefined;
  /** In a sentence: the body, else the summary. */
  text: string;
  signInAgain: boolean;
}

export function refusalOf({ headers, body }: Pick<IFrame, 'headers' | 'body'>): Refusal {
  return {
    about: headers['receipt-id'],
    destination: headers['refused'],
    text: body.trim() || headers['message'] || 'The broker refused.',
    signInAgain: SIGN_IN_AGAIN.has(headers['message'] ?? ''),
  };
}
