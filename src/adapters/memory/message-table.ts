/** The data of the memory store's message queue: messages by id, and for each key the line of those that are not handled. */
import type { EventMetadata } from '../../core/event.js';
import { frozenCopy, type Json } from '../../core/json.js';
import type { FailedAttempt } from '../../store/message-queue.js';
import type { CheckedMessage, MessageKey } from '../../store/queue-checks.js';

export interface StoredMessage {
  message: CheckedMessage;
  readonly enqueuedAt: string;
  readonly history: FailedAttempt[];
  state: 'delayed' | 'waiting' | 'parked' | 'handled';
  attempt: number;
  /** The last attempt that stands in the history, of those since it was let go last. */
  attemptNoted: number;
  position: number;
  /** When it may be taken, by the store's clock; handled: when it was. */
  readyAt: number;
}

/** The messages of one key that wait or are parked, first one first. It ends when it is empty. */
export interface Line {
  /** Tenant and key as one text. */
  readonly name: string;
  readonly key: string;
  readonly slot: number;
  readonly messages: StoredMessage[];
}

interface QueueData {
  readonly byId: Map<string, StoredMessage>;
  readonly lines: Map<string, Line>;
  readonly delayed: Set<StoredMessage>;
}

export interface MessageTable {
  readonly find: (key: MessageKey) => StoredMessage | undefined;
  readonly all: () => Iterable<StoredMessage>;
  readonly lines: (queue: string) => ReadonlyArray<Line>;
  readonly lineOf: (stored: StoredMessage) => Line | undefined;
  /** Messages of a queue that are not handled. */
  readonly unhandled: (queue: string) => number;
  /** False where the queue knows the id. */
  readonly add: (message: CheckedMessage, clockMs: number, enqueuedAt: string) => boolean;
  /** Gives delayed messages that are due their place in the order. */
  readonly release: (queue: string, clockMs: number) => void;
  /** Takes it out of its line; false where there is nothing to take out. */
  readonly finish: (stored: StoredMessage | undefined, clockMs: number) => boolean;
  /** Forgets what was handled before. */
  readonly forget: (beforeMs: number) => number;
}

const nameOf = (tenant: string, text: string): string => JSON.stringify([tenant, text]);

/** A copy: the writer cannot change it afterwards, and no reader can change it at all. */
const kept = (message: CheckedMessage): CheckedMessage => ({
  ...message,
  data: frozenCopy(message.data),
  metadata: frozenCopy(message.metadata as Json) as EventMetadata,
});

const pushTo = ({ lines }: QueueData, stored: StoredMessage): void => {
  const { tenant, key, slot } = stored.message;
  const name = nameOf(tenant, key);
  const line = lines.get(name) ?? { name, key, slot, messages: [] };
  lines.set(name, line);
  line.messages.push(stored);
};

const takeFrom = ({ lines, delayed }: QueueData, stored: StoredMessage): void => {
  if (delayed.delete(stored)) return;
  const name = nameOf(stored.message.tenant, stored.message.key);
  const messages = lines.get(name)?.messages ?? [];
  messages.splice(messages.indexOf(stored), 1);
  if (messages.length === 0) lines.delete(name);
};

const forgetOf = ({ byId }: QueueData, beforeMs: number): number => {
  let count = 0;
  for (const [name, { state, readyAt }] of byId)
    if (state === 'handled' && readyAt < beforeMs) {
      byId.delete(name);
      count += 1;
    }
  return count;
};

export const makeMessageTable = (): MessageTable => {
  const queues = new Map<string, QueueData>();
  let lastPosition = 0;
  const dataOf = (queue: string): QueueData => {
    const data = queues.get(queue) ?? { byId: new Map(), lines: new Map(), delayed: new Set() };
    queues.set(queue, data);
    return data;
  };
  const next = (): number => (lastPosition += 1);
  return {
    find: ({ tenant, queue, id }) => queues.get(queue)?.byId.get(nameOf(tenant, id)),
    all: function* () {
      for (const { byId } of queues.values()) yield* byId.values();
    },
    lines: (queue) => [...(queues.get(queue)?.lines.values() ?? [])],
    lineOf: ({ message: { tenant, queue, key } }) => queues.get(queue)?.lines.get(nameOf(tenant, key)),
    unhandled: (queue) => {
      const data = queues.get(queue);
      return [...(data?.lines.values() ?? [])].reduce(
        (sum, { messages }) => sum + messages.length,
        data?.delayed.size ?? 0,
      );
    },
    add: (message, clockMs, enqueuedAt) => {
      const data = dataOf(message.queue);
      const idName = nameOf(message.tenant, message.id);
      if (data.byId.has(idName)) return false;
      const stored: StoredMessage = {
        message: kept(message),
        enqueuedAt,
        history: [],
        state: message.delayMs > 0 ? 'delayed' : 'waiting',
        attempt: 0,
        attemptNoted: 0,
        position: next(),
        readyAt: clockMs + message.delayMs,
      };
      data.byId.set(idName, stored);
      if (stored.state === 'delayed') data.delayed.add(stored);
      else pushTo(data, stored);
      return true;
    },
    release: (queue, clockMs) => {
      const data = queues.get(queue);
      if (data === undefined || data.delayed.size === 0) return;
      const due = [...data.delayed].filter(({ readyAt }) => readyAt <= clockMs);
      due.sort((a, b) => a.readyAt - b.readyAt || a.position - b.position);
      for (const stored of due) {
        data.delayed.delete(stored);
        Object.assign(stored, { state: 'waiting', position: next() });
        pushTo(data, stored);
      }
    },
    finish: (stored, clockMs) => {
      if (stored === undefined || stored.state === 'handled') return false;
      takeFrom(dataOf(stored.message.queue), stored);
      // Only the id stays known.
      const message = { ...stored.message, data: null, metadata: {} };
      Object.assign(stored, { message, state: 'handled', readyAt: clockMs });
      return true;
    },
    forget: (beforeMs) => [...queues.values()].reduce((sum, data) => sum + forgetOf(data, beforeMs), 0),
  };
};
