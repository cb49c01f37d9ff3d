/** A user who is there. */
export interface Present {
  name: string;
  sessions: number;
}

/** Who is in a room, as the broker tells it. */
export interface Presence {
  /** By name. Null: so many that only counts are told. */
  users: ReadonlyMap<string, Present> | null;
  /** Users. */
  members: number;
  /** Sessions of nobody. */
  guests: number;
  /** Pages of a snapshot that is not complete. */
  pages: ReadonlyMap<string, Present> | null;
}

/** What a message of presence makes of what was known, and whom one could see come and go. */
export interface Step {
  presence: Presence | null;
  joined: string[];
  left: string[];
}

/** Takes a message of `/presence/topic/…` in. A snapshot replaces what was known: nobody is seen to come by it. */
export function step(known: Presence | null, body: string): Step {
  const told = parse(body);
  const stays: Step = { presence: known, joined: [], left: [] };
  if (told === null) return stays;
  const counts = { members: numberOf(told['members']), guests: numberOf(told['anonymous']) };
  if (told['event'] === 'snapshot') {
    return { ...stays, presence: snapshot(known, told, counts) };
  }
  if (told['event'] !== 'changes' || known === null) return stays;
  const changes = told['changes'];
  if (!Array.isArray(changes) || known.users === null) return { ...stays, presence: { ...known, ...counts } };
  return change(known, changes, counts);
}

type Told = Record<string, unknown>;
type Counts = Pick<Presence, 'members' | 'guests'>;

function snapshot(known: Presence | null, told: Told, counts: Counts): Presence {
  const users = told['users'];
  if (!Array.isArray(users)) return { ...counts, users: null, pages: null };
  const pages = new Map(told['page'] === 1 ? [] : known?.pages);
  for (const one of users) {
    const present = presentOf(one);
    if (present) pages.set(present.name, present);
  }
  const complete = told['page'] === told['pages'];
  if (complete) return { ...counts, users: pages, pages: null };
  return known ? { ...known, pages } : { ...counts, users: new Map(), pages };
}

function change(known: Presence, changes: unknown[], counts: Counts): Step {
  const users = new Map(known.users);
  const joined: string[] = [];
  const left: string[] = [];
  for (const one of changes) {
    const present = presentOf(one);
    if (!present) continue;
    const { name } = present;
    if ((one as Told)['event'] === 'leave') {
      if (users.delete(name)) left.push(name);
    } else {
      if (!users.has(name)) joined.push(name);
      users.set(name, present);
    }
  }
  return { presence: { ...known, ...counts, users }, joined, left };
}

function presentOf(one: unknown): Present | null {
  if (typeof one !== 'object' || one === null) return null;
  const { user, sessions } = one as Told;
  return typeof user === 'string' ? { name: user, sessions: Math.max(1, numberOf(sessions)) } : null;
}

function parse(body: string): Told | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Told) : null;
  } catch {
    return null;
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? value : 0;
}
