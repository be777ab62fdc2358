/**
 * A real session of two people who wrote one text at once, with every fork and merge of it run through the engine: each
 * writer's process decides on the trunk as far as that writer had seen it, and is appended when its turn comes.
 */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { memoryStore } from '../../src/adapters/memory/index.js';
import {
  sequence,
  sequenceApply,
  sequenceEdit,
  sequenceEmpty,
  type SequenceState,
  sequenceText,
  TextSequence,
} from '../../src/core/merge/merge-sequence.js';
import { saga } from '../../src/core/saga/saga.js';
import type { StreamName } from '../../src/core/stream.js';
import { sagaRuntime } from '../../src/runtime/saga/saga-runtime.js';
import type { Handled, HandleError } from '../../src/runtime/saga/saga-context.js';
import type { EventStore, StreamPage } from '../../src/store/event-store.js';
import { type EditingTrace, readTrace } from '../support/editing-trace.js';
import { sharedFile } from '../support/shared-data.js';

const text = saga({
  name: 'text',
  messages: { Change: TextSequence },
  sends: {},
  events: { Changed: TextSequence },
  state: TextSequence,
  initialState: sequenceEmpty as SequenceState,
  evolve: { Changed: (state, change) => sequenceApply(state, change) },
  react: { Change: (_state, change) => ({ events: [{ type: 'Changed', data: change }] }) },
  onConflict: 'merge',
  merge: { threeWay: sequence() },
});

type Answer = E.Either<HandleError, Handled>;

/** A handler that has seen the text that it decides on, and waits to append. */
interface InFlight {
  readonly append: () => void;
  readonly answer: Promise<Answer>;
}

/** A writer's process. Its handlers see the text and then wait until they are let go; branches and merges do not. */
const makeProcess = (store: EventStore) => {
  const held = new Map<string, () => void>();
  const onReacted = ({ messageId }: { readonly messageId: string }) =>
    new Promise<void>((go) => held.set(messageId, go));
  const runtime = sagaRuntime(text, { store, hooks: { onReacted } });
  return {
    decide: async (id: string, data: SequenceState): Promise<InFlight> => {
      const answer = runtime.handle({ id, sagaId: '1', type: 'Change', data })();
      // Ends: a handler on the memory store waits for nothing but this process's own promises.
      for (let turns = 0; !held.has(id); turns += 1) {
        if (turns > 100) throw new Error(`the handler of ${id} does not come to its decision`);
        await new Promise<void>((next) => setImmediate(next));
      }
      return { append: held.get(id) as () => void, answer };
    },
  };
};

/** What each writer decides, by position on the text that this writer saw. */
const changesOf = ({ spans }: EditingTrace): ReadonlyArray<SequenceState> => {
  const agents = [...new Set(spans.map(({ agent }) => agent))];
  const views = agents.map(() => ({ state: sequenceEmpty as SequenceState, seen: agents.map(() => 0) }));
  const written: SequenceState[][] = agents.map(() => []);
  return spans.map(({ agent, seen, edits }) => {
    const view = views[agent] as (typeof views)[number];
    for (const other of agents)
      for (
        ;
        (view.seen[other] as number) < (seen[other] as number);
        view.seen[other] = (view.seen[other] as number) + 1
      )
        view.state = sequenceApply(view.state, written[other]?.[view.seen[other] as number] as SequenceState);
    const change = sequenceEdit(view.state, `writer${agent}`, edits);
    view.state = sequenceApply(view.state, change);
    view.seen[agent] = (view.seen[agent] as number) + 1;
    written[agent]?.push(change);
    return change;
  });
};

/** For each span, after how many spans of the trunk its writer's process decides: as many as hold nothing the writer had not seen. */
const basesOf = ({ spans }: EditingTrace): ReadonlyArray<number> => {
  const trunk: number[][] = [spans[0]?.seen.map(() => 0) ?? []];
  return spans.map(({ agent, seen }) => {
    let base = trunk.length - 1;
    while (trunk[base]?.some((count, of) => count > (seen[of] as number))) base -= 1;
    const last = trunk[trunk.length - 1] as number[];
    trunk.push(last.map((count, of) => (of === agent ? count + 1 : count)));
    return base;
  });
};

/** Spans that are decided at each length of the trunk. */
const decidingAt = (bases: ReadonlyArray<number>): ReadonlyMap<number, ReadonlyArray<number>> => {
  const deciding = new Map<number, number[]>();
  for (const [span, base] of bases.entries()) deciding.set(base, [...(deciding.get(base) ?? []), span]);
  return deciding;
};

/** Plays the trace; answers what became of each span. */
const play = async (
  trace: EditingTrace,
  bases: ReadonlyArray<number>,
  store: EventStore,
): Promise<ReadonlyArray<Handled['_tag']>> => {
  const changes = changesOf(trace);
  const deciding = decidingAt(bases);
  const processes = new Map<number, ReturnType<typeof makeProcess>>();
  for (const { agent } of trace.spans) if (!processes.has(agent)) processes.set(agent, makeProcess(store));
  const inFlight = new Map<number, InFlight>();
  const outcomes: Array<Handled['_tag']> = [];
  for (const span of trace.spans.keys()) {
    for (const decides of deciding.get(span) ?? []) {
      const process = processes.get(trace.spans[decides]?.agent as number) as ReturnType<typeof makeProcess>;
      inFlight.set(decides, await process.decide(`span ${decides}`, changes[decides] as SequenceState));
    }
    const turn = inFlight.get(span) as InFlight;
    inFlight.delete(span);
    turn.append();
    const answer = await turn.answer;
    if (E.isLeft(answer)) throw new Error(JSON.stringify(answer.left));
    outcomes.push(answer.right._tag);
  }
  return outcomes;
};

const countTypes = async (store: EventStore): Promise<Readonly<Record<string, number>>> => {
  const counts: Record<string, number> = {};
  // Ends: each page goes on after the one before, and the last has no next one.
  for (let from: number | undefined = 1; from !== undefined; ) {
    const page: E.Either<unknown, StreamPage> = await store.readStream({
      streamName,
      from,
      maxCount: 4_096,
    })();
    if (E.isLeft(page)) throw new Error(JSON.stringify(page.left));
    for (const { type } of page.right.events) counts[type] = (counts[type] ?? 0) + 1;
    from = page.right.next;
  }
  return counts;
};

const streamName = 'text-1' as StreamName;
const file = sharedFile('editing-traces/friendsforever.json.gz');
const title =
  'two people write one text at once, every fork is a branch and is merged, and the text ends as they left it';
const asked = file.skip === undefined ? it : it.skip;

describe('sequence on a real editing trace', () => {
  asked(
    file.skip === undefined ? title : `${title} (skipped: ${file.skip})`,
    async () => {
      const trace = readTrace(file.path);
      expect({ forks: trace.forks, merges: trace.merges }).toEqual({ forks: 2_258, merges: 2_258 });
      const store = memoryStore();
      const bases = basesOf(trace);
      const outcomes = await play(trace, bases, store);
      // Whatever was decided on less than the trunk's tip became a branch.
      const forked = outcomes.filter((_, span) => (bases[span] as number) < span);
      expect(new Set(forked)).toEqual(new Set(['Merged']));
      const branches = outcomes.filter((tag) => tag === 'Merged').length;
      expect(branches).toBeGreaterThanOrEqual(trace.forks);
      expect(await countTypes(store)).toEqual({
        Changed: trace.spans.length,
        MergeSagaState: branches,
        SagaMerged: branches,
      });
      // Somebody who was not there, and folds the stream from its beginning.
      const loaded = await sagaRuntime(text, { store }).load('1')();
      if (E.isLeft(loaded)) throw new Error(JSON.stringify(loaded.left));
      expect(loaded.right.pending).toEqual([]);
      expect(sequenceText(loaded.right.state)).toBe(trace.endContent);
    },
    300_000,
  );
});
