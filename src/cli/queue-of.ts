/** The queue of a store, for the commands that look into it. */
import { taggedError } from '../core/fault.js';
import type { EventStore, NotSupported } from '../store/event-store.js';
import type { MessageQueue } from '../store/message-queue.js';

export const queueOf = ({ queue }: EventStore): MessageQueue => {
  if (queue === undefined) throw taggedError<NotSupported>({ _tag: 'NotSupported', capability: 'queue' });
  return queue;
};
