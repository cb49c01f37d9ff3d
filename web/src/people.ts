import type { Presence } from './presence.ts';

/** Where each window gets what is said to its user alone, and where one's own windows are told. */
export const OWN_MESSAGES = '/user/queue/chat';

/** Where to send what is for a user alone. */
export function privateTo(name: string): string {
  return `/user/${segmentOf(name)}/queue/chat`;
}

/** A name as one segment of a destination, which could be taken for nothing else. */
export function segmentOf(name: string): string {
  return encodeURIComponent(name)
    .replaceAll('*', '%2A')
    .replace(/^~/, '%7E')
    .replace(/^queue$/, '%71ueue')
    .replace(/^topic$/, '%74opic');
}

/** Somebody in the list of people. */
export interface Person {
  name: string;
  /** Zero: not in the room. */
  sessions: number;
  isMe: boolean;
}

/** Oneself first, then who is in the room, then those one only has a conversation with. */
export function peopleOf(presence: Presence | null, me: string | null, partners: Iterable<string>): Person[] {
  const present = [...(presence?.users?.values() ?? [])];
  const here = new Set(present.map(({ name }) => name));
  const away = [...partners].filter((name) => !here.has(name)).map((name) => ({ name, sessions: 0 }));
  const people = [...present, ...away].map((one) => ({ ...one, isMe: one.name === me }));
  const rank = ({ isMe, sessions }: Person) => (isMe ? 0 : sessions > 0 ? 1 : 2);
  return people.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/** Names in a line, however many there are: at most three are told. */
export function namesOf(names: readonly string[]): string {
  const [first = '', second, third] = names;
  if (second === undefined) return first;
  if (third === undefined) return `${first} and ${second}`;
  if (names.length === 3) return `${first}, ${second} and ${third}`;
  return `${first}, ${second} and ${names.length - 2} others`;
}

/** Who is there without a name. */
export function guestsOf(guests: number, named: number, meToo: boolean): string {
  if (guests === 0) return '';
  const count = guests === 1 ? '1 guest' : `${guests.toLocaleString('en')} guests`;
  const text = named > 0 ? `and ${count}` : count;
  if (!meToo) return text;
  return guests === 1 ? `${text} (you)` : `${text}, you among them`;
}
