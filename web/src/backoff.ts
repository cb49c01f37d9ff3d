/** Longest wait before the first retry, in milliseconds. */
const FIRST_MAX_MS = 500;
/** Longest wait before any retry, in milliseconds. */
const WAIT_MAX_MS = 10_000;

/**
 * Returns the wait before retry number `retry` (from 0), in milliseconds. It grows exponentially with full jitter, so
 * that the clients of a restarted broker do not reconnect all at once.
 */
export function backoff(retry: number, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(WAIT_MAX_MS, FIRST_MAX_MS * 2 ** Math.min(retry, 30)));
}
