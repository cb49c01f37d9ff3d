import assert from 'node:assert/strict';
import { test } from 'node:test';
import { privateDestination } from '../src/people.ts';

test('a name is one segment, whatever is in it', () => {
  const rows = [
    ['bob', '/user/bob/queue/chat'],
    ['john.doe', '/user/john.doe/queue/chat'],
    ['a/b', '/user/a%2Fb/queue/chat'],
    ['100%', '/user/100%25/queue/chat'],
    ['~x', '/user/%7Ex/queue/chat'],
    ['queue', '/user/%71ueue/queue/chat'],
    ['topic', '/user/%74opic/queue/chat'],
    ['*', '/user/%2A/queue/chat'],
    ['小明', '/user/%E5%B0%8F%E6%98%8E/queue/chat'],
  ] as const;
  for (const [name, destination] of rows) assert.equal(privateDestination(name), destination);
});
