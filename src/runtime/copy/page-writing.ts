/** Writes a page of the source's events to the target, in as few appends as the target and the wanted order allow. */
import type { RecordedEvent } from '../../core/event.js';
import { keyOf } from '../../core/stream-digest.js';
import { type CopyOrder, type Run, runsOf, stepsOf } from './batches.js';
import { type Sides, together, writeRun, type Written, writeStep } from './writing.js';

const lanesCount = 8;

/** Streams of a page are independent of each other where only the order from page to page is kept. */
const writeInLanes = async (
  sides: Sides,
  runs: ReadonlyArray<Run>,
  signal: AbortSignal | undefined,
): Promise<Written> => {
  const lanes = new Map<string, Run[]>();
  for (const run of runs) {
    const key = keyOf(run.tenant, run.streamName);
    const lane = lanes.get(key);
    if (lane === undefined) lanes.set(key, [run]);
    else lane.push(run);
  }
  const waiting = [...lanes.values()];
  const written: Written[] = [];
  const work = async (): Promise<void> => {
    for (let lane = waiting.shift(); lane !== undefined; lane = waiting.shift())
      for (const run of lane) {
        if (signal?.aborted === true) return;
        written.push(await writeRun(sides, run));
      }
  };
  // All of them have ended before an error goes on: nobody writes any more once the copy has said that it failed.
  const ended = await Promise.allSettled(Array.from({ length: lanesCount }, work));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return together(written);
};

/** Ends early, between two appends, once the signal is aborted. */
export const writePage = async (
  sides: Sides,
  events: ReadonlyArray<RecordedEvent>,
  order: CopyOrder,
  signal: AbortSignal | undefined,
): Promise<Written> => {
  const { limits, capabilities } = sides.to;
  const runs = runsOf(events, order, limits);
  const isAtomic = capabilities.atomicAppendMany;
  if (order === 'pages' && !isAtomic) return writeInLanes(sides, runs, signal);
  const written: Written[] = [];
  for (const step of isAtomic ? stepsOf(runs, limits) : runs.map((run) => [run])) {
    if (signal?.aborted === true) break;
    written.push(await writeStep(sides, step));
  }
  return together(written);
};
