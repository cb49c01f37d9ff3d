/** A way to the broker that a user can choose. */
export interface Transport {
  id: string;
  label: string;
  /** SockJS's own name of it; null for the browser's WebSocket without SockJS. */
  sockJs: string | null;
}

/** First what is best. The names behind `sockjs-` are those of sockjs-client. */
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

/** How one attempt to connect goes: natively, or by SockJS with these transports (empty: as SockJS likes). */
export type Way = { kind: 'native' } | { kind: 'sockjs'; transports: string[] };

/**
 * The way of the next attempt. `automatic` starts natively; where a native attempt ended before it was open
 * (a proxy that knows no WebSocket), SockJS has its turn, and the other way round.
 */
export function nextWay(choice: string, last: { way: Way; opened: boolean } | null): Way {
  const transport = TRANSPORTS.find(({ id }) => id === choice);
  if (transport) {
    return transport.sockJs === null ? { kind: 'native' } : { kind: 'sockjs', transports: [transport.sockJs] };
  }
  if (last === null) return { kind: 'native' };
  if (last.opened) return last.way;
  return last.way.kind === 'native' ? { kind: 'sockjs', transports: [] } : { kind: 'native' };
}

export function isChoice(choice: string): boolean {
  return choice === AUTOMATIC || TRANSPORTS.some(({ id }) => id === choice);
}
