export const DEFAULT_ROOM = 'lobby';
const LENGTH_MAX = 64;

/** Returns `text` as the name of a room. Characters with a meaning in destinations (`.`, `/`, `*`, `#`, …) become hyphens. */
export function roomNamed(text: string): string {
  const named = text.normalize('NFC').replace(/[^\p{L}\p{M}\p{N}_-]+/gu, '-').replace(/^-+|-+$/g, '');
  return Array.from(named).slice(0, LENGTH_MAX).join('') || DEFAULT_ROOM;
}

/** Returns the room in the hash of a URL, or null if the hash is empty. */
export function roomOfHash(hash: string): string | null {
  const text = hash.replace(/^#/, '');
  if (text === '') return null;
  try {
    return roomNamed(decodeURIComponent(text));
  } catch {
    return roomNamed(text);
  }
}

export function hashOfRoom(room: string): string {
  return '#' + encodeURIComponent(room);
}

export function destinationOf(room: string): string {
  return `/topic/chat.${room}`;
}

/** Returns the destination of the room's presence. */
export function presenceOf(room: string): string {
  return `/presence${destinationOf(room)}`;
}
