/** Milliseconds: the longest wait before the first retry, and before any. */
const FIRST_MAX = 500;
const CAP = 10_000;

/**
 * How long to wait before retry number `retry` (from 0), in milliseconds: exponential with full jitter, so that
 * the clients of a restarted broker come back spread out instead of all at once.
 */
export function backoff(retry: number, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(CAP, FIRST_MAX * 2 ** Math.min(retry, 30)));
}
