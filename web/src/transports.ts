/** A transport that the user can choose. */
export interface Transport {
  id: string;
  label: string;
  /** Name in sockjs-client; null for the browser's WebSocket without SockJS. */
  sockJs: string | null;
}

/** Transports in order of preference. An id is `native`, or `sockjs-` and the name in sockjs-client. */
export const TRANSPORTS: readonly Transport[] = [
  { id: 'native', label: 'WebSocket', sockJs: null },
  ...[
    'websocket',
    'xhr-streaming',
    'eventsource',
    'iframe-eventsource',
    'htmlfile',
    'iframe-htmlfile',
    'xhr-polling',
    'iframe-xhr-polling',
    'jsonp-polling',
  ].map((name) => ({ id: `sockjs-${name}`, label: `SockJS ${name}`, sockJs: name })),
];

export const AUTOMATIC = 'automatic';

/** How an attempt connects: by native WebSocket, or by SockJS with these transports (all if the list is empty). */
export type ConnectMethod = { kind: 'native' } | { kind: 'sockjs'; transports: string[] };

/**
 * Returns the method of the next attempt. `automatic` starts with native WebSocket. After each attempt that has not
 * reached CONNECTED, it changes between native WebSocket and SockJS, because a proxy may not support WebSocket.
 */
export function nextMethod(choice: string, last: { method: ConnectMethod; opened: boolean } | null): ConnectMethod {
  const transport = TRANSPORTS.find(({ id }) => id === choice);
  if (transport) {
    return transport.sockJs === null ? { kind: 'native' } : { kind: 'sockjs', transports: [transport.sockJs] };
  }
  if (last === null) return { kind: 'native' };
  if (last.opened) return last.method;
  return last.method.kind === 'native' ? { kind: 'sockjs', transports: [] } : { kind: 'native' };
}

export function isChoice(choice: string): boolean {
  return choice === AUTOMATIC || TRANSPORTS.some(({ id }) => id === choice);
}
