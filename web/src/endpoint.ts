/** Where the broker speaks STOMP, by native WebSocket and by SockJS. */
export interface Endpoint {
  webSocket: string;
  sockJs: string;
}

/**
 * `path` is the broker's own (`/ws`), `page` the address this page came from. A proxy may have put both below a
 * path of its own and may speak https: the endpoint stands beside the page, whatever the page's address is.
 */
export function endpointAt(path: string, page: string): Endpoint {
  const url = new URL(path.replace(/^\/+/, './'), page);
  url.hash = '';
  const sockJs = url.href;
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return { webSocket: url.href, sockJs };
}

export function endpointOf(document: Document): Endpoint {
  const meta = document.querySelector<HTMLMetaElement>('meta[name="stompbox-endpoint"]');
  return endpointAt(meta?.content || '/ws', document.baseURI);
}
