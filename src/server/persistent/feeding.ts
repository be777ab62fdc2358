/** Brings messages to a group as it has room for them: from its source, and those that were parked. */
import { taggedOf } from '../../core/fault.js';
import { delayAfter } from '../../core/retry.js';
import { makeWake } from '../../store/wake.js';
import type { ServerContext } from '../context.js';
import type { FeedItem, ServedEvent } from '../feed.js';
import type { AllFilter } from '../filter.js';
import type { GroupEntry } from './config.js';
import type { Group, GroupMessage } from './group.js';
import { parkedRange, readParked } from './kept.js';
import { pinOf } from './pin.js';
import { follow, placeOf, placeOfPosition } from './places.js';
import { patience } from './writer.js';

export interface Feeding {
  /** Resolves when the group ends, or when its source has nothing more to give. */
  readonly source: () => Promise<void>;
  /** Hands out again what was parked up to now, so many messages at most. Nothing where it does so already. */
  readonly replay: (countMax: number) => Promise<void>;
  /** There may be room again. */
  readonly onRoom: () => void;
  /** Whether everything recorded so far has been brought. */
  readonly isLive: () => boolean;
  /** Parked messages before this one are on their way again, or done. */
  readonly replayedTo: () => number;
}

export interface FeedingTerms {
  readonly entry: GroupEntry;
  readonly filter: AllFilter | undefined;
  readonly group: Group<ServedEvent, string>;
  /** The place after which it begins. */
  readonly start: string;
  /** The first message that is parked. */
  readonly parkedFrom: number;
  /** Aborted when the group ends. */
  readonly signal: AbortSignal;
  /** Something was brought. */
  readonly onBrought: () => void;
  /** The store lives another life than it did when the group began: nothing more is brought. */
  readonly onEpochChanged: () => void;
}

type Terms = FeedingTerms & { readonly context: ServerContext };

/** Waits for the group to have room; `open` looks again. */
const openGate = (hasRoom: () => boolean, signal: AbortSignal) => {
  let waiting: Array<() => void> = [];
  const open = (): void => {
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  };
  signal.addEventListener('abort', open, { once: true });
  return {
    open: () => (hasRoom() ? open() : undefined),
    // Ended by room, or with the group.
    pass: async (): Promise<void> => {
      while (!hasRoom() && !signal.aborted) await new Promise<void>((resolve) => void waiting.push(resolve));
    },
  };
};

const messageOf = ({ settings }: GroupEntry, event: ServedEvent): GroupMessage<ServedEvent> => ({
  id: (event.link ?? event.event)?.eventId ?? '',
  pin: pinOf(settings.strategy, event),
  event,
});

/** Takes in what the source gives; knows how far it came. */
const openIntake = ({ entry, group, start }: Terms) => {
  let place = start;
  let isLive = false;
  const offer = (event: ServedEvent): void => {
    const original = event.link ?? event.event;
    if (original === undefined) return;
    place = placeOf(entry.stream, original);
    group.offer(place, messageOf(entry, event));
  };
  return {
    place: () => place,
    isLive: () => isLive,
    take: (item: FeedItem): void => {
      switch (item._tag) {
        case 'Event':
          return offer(item.event);
        case 'Checkpoint': {
          const next = placeOfPosition(item.position);
          if (next !== place) group.pass(next);
          place = next;
          return;
        }
        case 'CaughtUp':
          isLive = true;
          return;
        case 'FellBehind':
          isLive = false;
      }
    },
  };
};

export const openFeeding = (context: ServerContext, terms: FeedingTerms): Feeding => {
  const { entry, filter, group, signal, onBrought, onEpochChanged } = terms;
  const { resolveLinks, liveBufferSize, historyBufferSize } = entry.settings;
  const intake = openIntake({ ...terms, context });
  const gate = openGate(() => group.hasRoom(intake.isLive() ? liveBufferSize : historyBufferSize), signal);
  let replayedTo = terms.parkedFrom;
  let isReplaying = false;

  const bring = async (): Promise<void> => {
    const items = follow(context.feed, entry.stream, intake.place(), filter, { resolveLinks, signal });
    for await (const item of items) {
      await gate.pass();
      if (signal.aborted) return;
      intake.take(item);
      onBrought();
    }
  };
  const source = async (): Promise<void> => {
    const wake = makeWake(context.timers);
    // Ended with the group, or with its stream, which has nothing more to give once it is tombstoned.
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      const before = intake.place();
      try {
        await bring();
      } catch (thrown) {
        const tag = taggedOf(thrown)?._tag;
        if (signal.aborted || tag === 'StreamTombstoned' || tag === 'StoreClosed') return;
        context.onError(thrown);
        if (tag === 'EpochChanged') return onEpochChanged();
        if (intake.place() !== before) attempt = 1;
        await wake.wait(
          delayAfter(patience, attempt, () => 1),
          signal,
        );
      }
    }
  };
  const replay = async (countMax: number): Promise<void> => {
    const { first, end } = await parkedRange(context, entry);
    const from = Math.max(first, replayedTo);
    const range = { first: from, end: Math.min(end, from + countMax) };
    for await (const { number, served } of readParked(context, entry, range)) {
      await gate.pass();
      if (signal.aborted) return;
      replayedTo = number + 1;
      group.replay(number, served && messageOf(entry, served));
      onBrought();
    }
  };
  return {
    source,
    replay: async (countMax) => {
      if (isReplaying) return;
      isReplaying = true;
      await replay(countMax).finally(() => {
        isReplaying = false;
      });
    },
    onRoom: gate.open,
    isLive: intake.isLive,
    replayedTo: () => replayedTo,
  };
};
