import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointAt } from '../src/endpoint.ts';

const rows = [
  ['/ws', 'http://127.0.0.1:8080/', 'http://127.0.0.1:8080/ws', 'ws://127.0.0.1:8080/ws'],
  ['/ws', 'https://chat.example/#lobby', 'https://chat.example/ws', 'wss://chat.example/ws'],
  ['/ws', 'https://example/below/a/path/?x=1#r', 'https://example/below/a/path/ws', 'wss://example/below/a/path/ws'],
  ['/my/stomp', 'http://[::1]/index.html', 'http://[::1]/my/stomp', 'ws://[::1]/my/stomp'],
  ['/a:b', 'http://h/', 'http://h/a:b', 'ws://h/a:b'],
  ['//evil.example/ws', 'http://h/', 'http://h/evil.example/ws', 'ws://h/evil.example/ws'],
] as const;

test('the endpoint is relative to the page', () => {
  for (const [path, page, sockJs, webSocket] of rows) {
    assert.deepEqual(endpointAt(path, page), { sockJs, webSocket }, page);
  }
});
