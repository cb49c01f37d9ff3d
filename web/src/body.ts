/** A chat message: the JSON object in the body of a STOMP message. */
export interface ChatMessage {
  from: string;
  text: string;
  /** Time at which the message was sent, by the sender's clock; null if the message contains none. */
  at: Date | null;
}

export function encode(message: ChatMessage): string {
  return JSON.stringify({ from: message.from, text: message.text, at: message.at?.toISOString() });
}

/** Decodes a body. A body that is not a chat message is shown as plain text, because any client can send to a topic. */
export function decode(body: string): ChatMessage {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null && 'from' in value && 'text' in value) {
      const { from, text } = value;
      if (typeof from === 'string' && typeof text === 'string') {
        return { from: from.trim() || 'unknown', text, at: 'at' in value ? dateOf(value.at) : null };
      }
    }
  } catch {
    // The body is not JSON, so it is plain text.
  }
  return { from: 'unknown', text: body, at: null };
}

function dateOf(value: unknown): Date | null {
  if (typeof value !== 'string' && typeof value !== 'number') return null;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}
