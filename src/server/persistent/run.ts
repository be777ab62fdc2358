/** A group at work: brings it messages, does what comes of them, and keeps its progress in the store. */
import type { ServerContext } from '../context.js';
import type { ServedEvent } from '../feed.js';
import type { AllFilter } from '../filter.js';
import type { Refused } from '../status.js';
import type { GroupEntry } from './config.js';
import { openFeeding } from './feeding.js';
import { type Effect, type Group, type GroupFigures, openGroup } from './group.js';
import { openKeeping } from './keeping.js';
import { loadCheckpoint, parkedRange } from './kept.js';
import type { GroupLease } from './lease.js';
import { dropped } from './refusals.js';
import { openSubscribers, type Subscriber, type Subscribers } from './subscribers.js';

export interface RunFigures extends GroupFigures {
  readonly isLive: boolean;
  /** Milliseconds since the figures were last asked for. */
  readonly sinceMs: number;
  /** The place that was written last; '' where none was. */
  readonly checkpoint: string;
  /** Parked messages before this one are on their way again. */
  readonly replayedTo: number;
}

export interface GroupRun extends Pick<Group<ServedEvent, string>, 'ack' | 'nack' | 'disconnect'> {
  readonly entry: GroupEntry;
  readonly subscribers: () => ReadonlyArray<Subscriber>;
  /** Throws a refusal where there are as many as may be. */
  readonly connect: (subscriber: Subscriber) => void;
  /** Hands out again what was parked, so many messages at most; goes on after it has answered. */
  readonly replayParked: (countMax: number) => void;
  readonly figures: () => RunFigures;
  /** How long nobody has read from it, in milliseconds. */
  readonly idleMs: () => number;
  /** Ends its subscribers, writes its progress, and gives its lease back. */
  readonly stop: (refusal: Refused) => Promise<void>;
}

export interface RunTerms {
  readonly entry: GroupEntry;
  readonly filter: AllFilter | undefined;
  readonly lease: GroupLease;
  /** It cannot go on: the lease went to another server, the store refuses what it writes, or lives another life. */
  readonly onLost: () => void;
}

/** Timers know no longer time, in milliseconds: one that is set to more rings at once. */
const alarmMsMax = 2 ** 31 - 1;

/** Rings when it is told to, or before where that is far off; what is set earlier is kept as long as it comes early enough. */
const openAlarm = ({ timers }: ServerContext, ring: () => void) => {
  let atMs = Infinity;
  let callOff = (): void => undefined;
  const off = (): void => {
    callOff();
    atMs = Infinity;
  };
  return {
    off,
    set: (nextMs: number | undefined): void => {
      if (nextMs === undefined || nextMs >= atMs) return;
      off();
      atMs = nextMs;
      callOff = timers.after(Math.min(alarmMsMax, Math.max(1, nextMs - timers.now())), () => {
        atMs = Infinity;
        ring();
      });
    },
  };
};

/** The stand of a group when it is started: where it goes on, and what it has put aside. */
const standOf = async (context: ServerContext, entry: GroupEntry) => {
  const [checkpoint, parked] = await Promise.all([
    loadCheckpoint(context, entry),
    parkedRange(context, entry),
  ]);
  return { checkpoint: checkpoint ?? '', start: checkpoint ?? entry.after, parkedFrom: parked.first };
};

/** The parts of a group, put together: what comes out of the machine is done at once. */
const openWork = (
  context: ServerContext,
  { entry, filter, lease, onLost }: RunTerms,
  { checkpoint, start, parkedFrom }: Awaited<ReturnType<typeof standOf>>,
  subscribers: Subscribers,
) => {
  const group = openGroup<ServedEvent, string>(entry.settings, context.timers.now);
  const ending = new AbortController();
  const { signal } = ending;
  const alarm = openAlarm(context, () => pump(true));
  const onBrought = (): void => pump(false);
  const onParked = (id: string): void => {
    group.parked(id);
    pump(false);
  };
  const { fence } = lease;
  const keeping = openKeeping(context, { entry, fence, signal, written: checkpoint, onLost, onParked });
  const feeding = openFeeding(context, {
    ...{ entry, filter, group, start, parkedFrom, signal, onBrought },
    onEpochChanged: () => {
      // Places of the former life mean nothing in this one.
      keeping.giveUp();
      onLost();
    },
  });
  const act = (effect: Effect<ServedEvent, string>): void => {
    switch (effect._tag) {
      case 'Deliver':
        return subscribers.get(effect.consumer)?.deliver(effect);
      case 'TakeBack': {
        const { consumer, id } = effect;
        const isUnsent = subscribers.get(consumer)?.takeBack(id) ?? false;
        return isUnsent ? group.unsent(consumer, id) : undefined;
      }
      case 'Park':
        return keeping.park(effect.id, effect.event, effect.reason);
      case 'Checkpoint':
        return keeping.checkpoint(effect.place);
      case 'Unpark':
        return keeping.unpark(effect.before);
      case 'Stop':
        return subscribers.get(effect.consumer)?.end(dropped(entry));
    }
  };
  const pump = (byClock: boolean): void => {
    if (signal.aborted) return;
    for (const effect of group.drain(byClock)) act(effect);
    alarm.set(group.askAtMs());
    feeding.onRoom();
  };
  const writeLast = (): void => {
    const place = group.last();
    if (place !== undefined && !signal.aborted) keeping.checkpoint(place);
  };
  const end = (): Promise<void> => {
    writeLast();
    ending.abort();
    alarm.off();
    return keeping.done();
  };
  return { group, keeping, feeding, pump, writeLast, end };
};

/** Starts a group where its checkpoint says. The lease is the run's from here on. */
export const startRun = async (context: ServerContext, terms: RunTerms): Promise<GroupRun> => {
  const { entry, lease } = terms;
  const { timers, onError } = context;
  const subscribers = openSubscribers(context, entry);
  const stand = await standOf(context, entry);
  const { group, keeping, feeding, pump, writeLast, end } = openWork(context, terms, stand, subscribers);
  let toldMs = timers.now();
  void feeding.source();
  return {
    entry,
    subscribers: subscribers.all,
    connect: (subscriber) => {
      subscribers.add(subscriber);
      group.connect(subscriber.id, subscriber.bufferSize);
      pump(false);
    },
    disconnect: (id) => {
      const isLast = subscribers.remove(id);
      group.disconnect(id);
      pump(false);
      // Nobody is left who could answer: what is known of the progress is all that will be known for a while.
      if (isLast) writeLast();
    },
    ack: (...answer) => {
      group.ack(...answer);
      pump(false);
    },
    nack: (...answer) => {
      group.nack(...answer);
      pump(false);
    },
    replayParked: (countMax) => void feeding.replay(countMax).catch(onError),
    figures: () => {
      const sinceMs = timers.now() - toldMs;
      toldMs = timers.now();
      const [isLive, replayedTo] = [feeding.isLive(), feeding.replayedTo()];
      return { ...group.figures(), isLive, sinceMs, checkpoint: keeping.written(), replayedTo };
    },
    idleMs: subscribers.idleMs,
    stop: async (refusal) => {
      await end();
      await lease.release();
      for (const subscriber of subscribers.all()) subscriber.end(refusal);
    },
  };
};
