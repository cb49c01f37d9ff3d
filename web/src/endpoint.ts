/** URLs of the broker for native WebSocket and for SockJS. */
export interface Endpoint {
  webSocket: string;
  sockJs: string;
}

/**
 * Returns the endpoint at `path` (such as `/ws`), relative to the address of the page. A proxy may serve the page and
 * the endpoint below a common path, and over https.
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
