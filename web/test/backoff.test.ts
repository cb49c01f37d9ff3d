import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff } from '../src/backoff.ts';

test('a wait grows twofold up to its cap', () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 1000, 1e9].map((retry) => backoff(retry, () => 1));
  assert.deepEqual(longest, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
});

test('the whole of a wait is jitter', () => {
  assert.equal(backoff(9, () => 0), 0);
  assert.equal(backoff(9, () => 0.25), 2500);
});
