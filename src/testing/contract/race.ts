/** Writers that start together on warmed handles. */
import type { EventStore } from '../../store/event-store.js';
import type { ContractSubject, OpenedStore } from './subject.js';
import { append, aStream, events, numbersFrom, right, within } from './support.js';

export type Handles = readonly [EventStore, ...EventStore[]];
export type Scenario = (handles: Handles) => Promise<void>;

/** The handle of the n-th writer: writers take turns over all handles. */
export const handleOf = (handles: Handles, writer: number): EventStore =>
  handles[writer % handles.length] ?? handles[0];

/** Opens connections before the race: a cold pool starts its writers one after another, which hides faults. */
export const warm = async (handles: Handles): Promise<void> => {
  await Promise.all(
    numbersFrom(0, 15).map(async (number) => {
      const store = handleOf(handles, number);
      await append(store, aStream('warm'), events(1));
      await right(store.readStream({ streamName: aStream('warm') }));
    }),
  );
};

/** Two handles where several processes may share the store, else one; warmed. */
export const warmHandles = async (
  { store, secondHandle }: OpenedStore,
  { lacks }: ContractSubject,
): Promise<Handles> => {
  const handles: Handles = lacks?.multiProcess === undefined ? [store, await secondHandle()] : [store];
  await warm(handles);
  return handles;
};

/** Runs all writers from one starting line, and waits for them; a deadlock is a failure. */
export const race = <A>(count: number, writer: (number: number) => Promise<A>): Promise<ReadonlyArray<A>> => {
  let start: () => void = () => undefined;
  const line = new Promise<void>((resolve) => {
    start = resolve;
  });
  const running = numbersFrom(0, count - 1).map(async (number) => {
    await line;
    return writer(number);
  });
  start();
  return within(30_000, `a race of ${count} writers`, Promise.all(running));
};
