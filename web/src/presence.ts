/** A user in the room. */
export interface Present {
  name: string;
  sessions: number;
}

/** Users and guests in a room, as reported by the broker. */
export interface Presence {
  /** Users by name; null if the broker reports only counts. */
  users: ReadonlyMap<string, Present> | null;
  /** Number of users. */
  members: number;
  /** Number of anonymous sessions. */
  guests: number;
  /** Users in the pages of a snapshot that is not complete yet; null if no snapshot is incomplete. */
  pages: ReadonlyMap<string, Present> | null;
}

/** The presence after a message, and the names of users that joined or left according to the message. */
export interface PresenceUpdate {
  presence: Presence | null;
  joined: string[];
  left: string[];
}

/** Applies a message of `/presence/topic/…`. A snapshot replaces the presence and reports no joins or leaves. */
export function applyPresence(current: Presence | null, body: string): PresenceUpdate {
  const message = parse(body);
  const unchanged: PresenceUpdate = { presence: current, joined: [], left: [] };
  if (message === null) return unchanged;
  const counts = { members: numberOf(message['members']), guests: numberOf(message['anonymous']) };
  if (message['event'] === 'snapshot') {
    return { ...unchanged, presence: applySnapshot(current, message, counts) };
  }
  if (message['event'] !== 'changes' || current === null) return unchanged;
  const changes = message['changes'];
  if (!Array.isArray(changes) || current.users === null) return { ...unchanged, presence: { ...current, ...counts } };
  return applyChanges(current, changes, counts);
}

type JsonObject = Record<string, unknown>;
type Counts = Pick<Presence, 'members' | 'guests'>;

function applySnapshot(current: Presence | null, message: JsonObject, counts: Counts): Presence {
  const users = message['users'];
  if (!Array.isArray(users)) return { ...counts, users: null, pages: null };
  const pages = new Map(message['page'] === 1 ? [] : current?.pages);
  for (const entry of users) {
    const present = presentOf(entry);
    if (present) pages.set(present.name, present);
  }
  const complete = message['page'] === message['pages'];
  if (complete) return { ...counts, users: pages, pages: null };
  return current ? { ...current, pages } : { ...counts, users: new Map(), pages };
}

function applyChanges(current: Presence, changes: unknown[], counts: Counts): PresenceUpdate {
  const users = new Map(current.users);
  const joined: string[] = [];
  const left: string[] = [];
  for (const entry of changes) {
    const present = presentOf(entry);
    if (!present) continue;
    const { name } = present;
    if ((entry as JsonObject)['event'] === 'leave') {
      if (users.delete(name)) left.push(name);
    } else {
      if (!users.has(name)) joined.push(name);
      users.set(name, present);
    }
  }
  return { presence: { ...current, ...counts, users }, joined, left };
}

function presentOf(entry: unknown): Present | null {
  if (typeof entry !== 'object' || entry === null) return null;
  const { user, sessions } = entry as JsonObject;
  return typeof user === 'string' ? { name: user, sessions: Math.max(1, numberOf(sessions)) } : null;
}

function parse(body: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as JsonObject) : null;
  } catch {
    return null;
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? value : 0;
}
