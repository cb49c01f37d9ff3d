import type { Presence } from './presence.ts';

/**
 * Destination at which the user receives private messages, and copies of messages that other windows of the user have
 * sent.
 */
export const OWN_MESSAGES = '/user/queue/chat';

/** Returns the destination for private messages to a user. */
export function privateDestination(name: string): string {
  return `/user/${segmentOf(name)}/queue/chat`;
}

/** Encodes a name as one segment of a destination that has no special meaning. */
export function segmentOf(name: string): string {
  return encodeURIComponent(name)
    .replaceAll('*', '%2A')
    .replace(/^~/, '%7E')
    .replace(/^queue$/, '%71ueue')
    .replace(/^topic$/, '%74opic');
}

/** An entry in the list of people. */
export interface Person {
  name: string;
  /** Number of sessions in the room. */
  sessions: number;
  isMe: boolean;
}

/**
 * Returns the user first, then the other users in the room, then users outside the room with whom there is a private
 * conversation.
 */
export function listPeople(presence: Presence | null, me: string | null, partners: Iterable<string>): Person[] {
  const present = [...(presence?.users?.values() ?? [])];
  const presentNames = new Set(present.map(({ name }) => name));
  const absent = [...partners].filter((name) => !presentNames.has(name)).map((name) => ({ name, sessions: 0 }));
  const people = [...present, ...absent].map((person) => ({ ...person, isMe: person.name === me }));
  const rank = ({ isMe, sessions }: Person) => (isMe ? 0 : sessions > 0 ? 1 : 2);
  return people.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/**
 * Formats names as a list in a sentence. Of more than three names, it shows the first two and the number of the others.
 */
export function joinNames(names: readonly string[]): string {
  const [first = '', second, third] = names;
  if (second === undefined) return first;
  if (third === undefined) return `${first} and ${second}`;
  if (names.length === 3) return `${first}, ${second} and ${third}`;
  return `${first}, ${second} and ${names.length - 2} others`;
}

/** Returns a text about the number of guests. */
export function formatGuests(guests: number, named: number, includesMe: boolean): string {
  if (guests === 0) return '';
  const count = guests === 1 ? '1 guest' : `${guests.toLocaleString('en')} guests`;
  const text = named > 0 ? `and ${count}` : count;
  if (!includesMe) return text;
  return guests === 1 ? `${text} (you)` : `${text}, including you`;
}
