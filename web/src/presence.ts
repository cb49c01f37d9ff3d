/** Who is in a room, as the broker has told so far. */
export interface People {
  /** Users and how many sessions each has; null while only their number is known. */
  names: ReadonlyMap<string, number> | null;
  members: number;
  /** Sessions of nobody in particular. */
  guests: number;
}

/** What one MESSAGE of `/presence/…` changes. */
export interface Told {
  people: People;
  joined: string[];
  left: string[];
}

export const NOBODY: People = { names: new Map(), members: 0, guests: 0 };

interface Entry {
  event?: string;
  user: string;
  sessions?: number;
}

interface Body {
  event: 'snapshot' | 'changes';
  page: number;
  members: number;
  anonymous: number;
  users?: Entry[];
  changes?: Entry[];
}

/** Applies a body; one that is none of presence changes nothing. */
export function tell(before: People, body: string): Told {
  const nothing = { people: before, joined: [], left: [] };
  let told: Body;
  try {
    told = JSON.parse(body) as Body;
  } catch {
    return nothing;
  }
  if (told?.event !== 'snapshot' && told?.event !== 'changes') return nothing;
  const counts = { members: told.members, guests: told.anonymous };
  if (told.event === 'snapshot') {
    if (!told.users) return { people: { names: null, ...counts }, joined: [], left: [] };
    const names = new Map(told.page > 1 ? before.names : []);
    for (const { user, sessions } of told.users) names.set(user, sessions ?? 1);
    return { people: { names, ...counts }, joined: [], left: [] };
  }
  if (!told.changes) return { people: { names: null, ...counts }, joined: [], left: [] };
  const names = new Map(before.names);
  const [joined, left]: [string[], string[]] = [[], []];
  for (const { event, user, sessions } of told.changes) {
    if (event === 'leave') {
      if (names.delete(user)) left.push(user);
    } else {
      if (event === 'join' && !names.has(user)) joined.push(user);
      names.set(user, sessions ?? 1);
    }
  }
  return { people: { names, ...counts }, joined, left };
}
