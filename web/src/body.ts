/** What one says in a room: the JSON in the body of a message. */
export interface Said {
  from: string;
  text: string;
  /** When, by the sender's clock; null if the message does not say. */
  at: Date | null;
}

export function encode(said: Said): string {
  return JSON.stringify({ from: said.from, text: said.text, at: said.at?.toISOString() });
}

/** Reads a body. Anybody may send anything to a topic: what is no message of a chat is shown as it is. */
export function decode(body: string): Said {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null && 'from' in value && 'text' in value) {
      const { from, text } = value;
      if (typeof from === 'string' && typeof text === 'string') {
        return { from: from.trim() || 'unknown', text, at: 'at' in value ? dateOf(value.at) : null };
      }
    }
  } catch {
    // No JSON: plain text.
  }
  return { from: 'unknown', text: body, at: null };
}

function dateOf(value: unknown): Date | null {
  if (typeof value !== 'string' && typeof value !== 'number') return null;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}
