/** How a user's name is written between `/user/` and `/queue/…`: percent-encoded where it could mean something else. */
export function segmentOf(name: string): string {
  if (name === 'queue' || name === 'topic') return `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`;
  return encodeURIComponent(name).replace(/^~/, '%7E').replaceAll('*', '%2A');
}

/** Where private messages to somebody go. */
export function privateDestination(name: string): string {
  return `/user/${segmentOf(name)}/queue/chat`;
}

/** Stands for all senders without a name: no user can be called so, and nobody can be answered by it. */
export const GUESTS = '\n';

/** Where one's own come: those of others, and copies of what one has written in another window. */
export const PRIVATE = '/user/queue/chat';
