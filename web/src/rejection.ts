import type { IFrame } from '@stomp/stompjs';

/** Summaries of errors after which the user must sign in again. */
const SIGN_IN_AGAIN = new Set(['login failed', 'token expired', 'token refused', 'access revoked']);

/**
 * A rejection by the broker. It comes in an ERROR, or with `soft-errors` in a MESSAGE with the same headers and body.
 */
export interface Rejection {
  /** Id of the receipt that the rejected frame requested. */
  receiptId: string | undefined;
  /** Destination of the rejected frame, or of the subscription that the broker has ended. */
  destination: string | undefined;
  /** The body, or the summary if the body is empty. */
  text: string;
  signInAgain: boolean;
}

export function rejectionOf({ headers, body }: Pick<IFrame, 'headers' | 'body'>): Rejection {
  return {
    receiptId: headers['receipt-id'],
    destination: headers['refused'],
    text: body.trim() || headers['message'] || 'The broker rejected the request.',
    signInAgain: SIGN_IN_AGAIN.has(headers['message'] ?? ''),
  };
}
