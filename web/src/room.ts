export const DEFAULT_ROOM = 'lobby';
const LENGTH_MAX = 64;

/** The room that `text` names: what a destination gives a meaning to (`.`, `/`, `*`, `#`, …) becomes a hyphen. */
export function roomNamed(text: string): string {
  const named = text.normalize('NFC').replace(/[^\p{L}\p{M}\p{N}_-]+/gu, '-').replace(/^-+|-+$/g, '');
  return Array.from(named).slice(0, LENGTH_MAX).join('') || DEFAULT_ROOM;
}

/** The room of a URL's hash, null if it names none. */
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

/** Where the broker tells who is in the room. */
export function presenceOf(room: string): string {
  return `/presence${destinationOf(room)}`;
}
