/** The README's table of what happens on conflict, row by row and column by column, against what does happen. */
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  counter,
  type EventStore,
  flag,
  handleCommand,
  memoryStore,
  record,
  saga,
  sagaRuntime,
  streamExists,
  type StreamName,
  threeWay,
  toPromise,
} from 'watersmeet';
import { account } from '../support/account.js';

const columns = ['aggregate', 'merge', 'retry', 'reject'] as const;
type Cells = Readonly<Record<(typeof columns)[number], string>>;

const cellsOf = (line: string): Cells => {
  const cells: Record<string, string> = {};
  let left = '';
  for (const [index, cell] of line.split(' | ').entries()) {
    // `the same` stands for the cell to its left.
    left = cell.startsWith('the same') ? left : cell;
    cells[columns[index] ?? 'beyond'] = left;
  }
  return cells as Cells;
};

/** Cells by row (its words in bold) and column. */
const table: ReadonlyMap<string, Cells> = new Map(
  [...readFileSync('README.md', 'utf8').matchAll(/^\| \*\*([^*]+)\*\*.*? \| (.*) \|$/gm)].map(
    ([, row = '', line = '']) => [row, cellsOf(line)] as const,
  ),
);

const parts = {
  name: 'tally',
  messages: { Add: t.type({ by: t.number }), Close: t.type({}), Tell: t.type({}), Finish: t.type({}) },
  sends: { Told: t.type({}) },
  events: { Added: t.type({ by: t.number }), Closed: t.type({}) },
  state: t.type({ count: t.number, closed: t.boolean }),
  initialState: { count: 0, closed: false },
  evolve: {
    Added: (state: { count: number; closed: boolean }, { by }: { by: number }) => ({
      ...state,
      count: state.count + by,
    }),
    Closed: (state: { count: number; closed: boolean }) => ({ ...state, closed: true }),
  },
  react: {
    Add: (_state: unknown, data: { by: number }) => ({ events: [{ type: 'Added', data } as const] }),
    Close: () => ({ events: [{ type: 'Closed', data: {} } as const] }),
    Tell: () => ({ send: [{ type: 'Told', data: {} } as const] }),
    Finish: () => ({ complete: true }),
  },
  commuting: { Added: ['Added'] },
} as const;
const sagas = {
  merge: saga({ ...parts, onConflict: 'merge', merge: threeWay(record({ count: counter, closed: flag })) }),
  retry: saga({ ...parts, onConflict: 'retry' }),
  reject: saga({ ...parts, onConflict: 'reject' }),
};
type Answer = keyof typeof sagas;

/** Somebody else comes first, once. */
const withRival = (store: EventStore, rival: () => Promise<unknown>): EventStore => {
  let isFirst = true;
  return {
    ...store,
    append: (request) => async () => {
      if (isFirst) {
        isFirst = false;
        await rival();
      }
      return store.append(request)();
    },
  };
};

const tagOf = (result: E.Either<{ readonly _tag: string }, { readonly _tag: string }>): string =>
  E.isLeft(result) ? result.left._tag : result.right._tag;

const mine = { id: 'mine', sagaId: '1', type: 'Add', data: { by: 1 } } as const;
const theirs = (type: 'Add' | 'Close' | 'Tell' | 'Finish') =>
  ({ id: 'theirs', sagaId: '1', type, data: type === 'Add' ? { by: 2 } : {} }) as never;
const archive = (store: EventStore, streamName: string) =>
  toPromise(
    store.markStream({ streamName: streamName as StreamName, as: 'archived', expected: streamExists }),
  );

/** Handles a message while a rival comes first; answers the tag, how often the handler ran, and what was written after the rival. */
const meet = async (answer: Answer, rival: 'mine' | 'archive' | 'nobody' | Parameters<typeof theirs>[0]) => {
  const store = memoryStore();
  const other = sagaRuntime(sagas[answer], { store });
  await toPromise(other.handle({ ...mine, id: 'before' }));
  const streamName = other.streamNameOf('1');
  const versionOf = async () =>
    (await toPromise(store.readStream({ streamName, includeArchived: true }))).version;
  let before = 1;
  const rivalry = async (): Promise<void> => {
    if (rival === 'archive') await archive(store, streamName);
    else if (rival === 'mine') await toPromise(other.handle(mine));
    else if (rival !== 'nobody') await toPromise(other.handle(theirs(rival)));
    before = await versionOf();
  };
  let runs = 0;
  const hooks = { onReacted: () => void (runs += 1) };
  const handled = await sagaRuntime(sagas[answer], { store: withRival(store, rivalry), hooks }).handle(
    mine,
  )();
  return { tag: tagOf(handled), runs, written: (await versionOf()) - before };
};

type Met = readonly [tag: string, runs: number, written: number];
const appended: Met = ['Appended', 1, 1];
const refused: Met = ['ConcurrencyConflict', 1, 0];
const everywhere = (met: Met): Readonly<Record<Answer, Met>> => ({ merge: met, retry: met, reject: met });
const rows: ReadonlyArray<readonly [string, Parameters<typeof meet>[1], Readonly<Record<Answer, Met>>]> = [
  ['nothing new', 'nobody', everywhere(appended)],
  ['only records that change no state', 'Tell', everywhere(appended)],
  ['only events that commute', 'Add', everywhere(appended)],
  [
    'other changes of the state',
    'Close',
    { merge: ['Merged', 1, 3], retry: ['Appended', 2, 1], reject: refused },
  ],
  ['my own message', 'mine', everywhere(['Duplicate', 1, 0])],
  [
    "the saga's completion",
    'Finish',
    { merge: ['Merged', 1, 3], retry: ['Completed', 1, 0], reject: refused },
  ],
  ['the stream archived', 'archive', everywhere(['StreamArchived', 1, 0])],
];

describe('what happens on conflict', () => {
  it('has these rows in the README', () => {
    expect([...table.keys()]).toEqual(rows.map(([row]) => row));
  });

  for (const [row, rival, expected] of rows)
    for (const answer of ['merge', 'retry', 'reject'] as const)
      it(`${row}: a saga that answers ${answer}`, async () => {
        const [tag, runs, written] = expected[answer];
        expect(await meet(answer, rival)).toEqual({ tag, runs, written });
        expect(table.get(row)?.[answer]).toContain(`\`${tag}\``);
      });
});

describe('what happens to an aggregate’s command', () => {
  const deposit = { type: 'Deposit', data: { amount: 5 } } as const;
  const command = { id: '1', command: deposit, commandId: 'mine' };
  const meetCommand = async (rival: 'nobody' | 'other' | 'mine' | 'archive', more: object = {}) => {
    const store = memoryStore();
    const other = handleCommand({ store });
    await toPromise(other(account, { id: '1', command: { type: 'Open', data: { owner: 'Ada' } } }));
    const rivalry = async (): Promise<void> => {
      if (rival === 'archive') await archive(store, 'account-1');
      if (rival === 'mine') await toPromise(other(account, command));
      if (rival === 'other') await toPromise(other(account, { id: '1', command: deposit }));
    };
    return handleCommand({ store: withRival(store, rivalry) })(account, { ...command, ...more })();
  };
  const cell = (row: string) => table.get(row)?.aggregate;

  it('nothing new: handled', async () => {
    expect(await meetCommand('nobody')).toMatchObject({ right: { version: 2, attempts: 1 } });
    expect(cell('nothing new')).toContain('`CommandHandled`');
  });

  it('other changes: decided again, or refused where the caller named a version', async () => {
    expect(await meetCommand('other')).toMatchObject({
      right: { version: 3, attempts: 2, state: { balance: 10 } },
    });
    const pinned = { expected: { _tag: 'exactly', version: 1 } };
    expect(await meetCommand('other', pinned)).toMatchObject({ left: { _tag: 'ConcurrencyConflict' } });
    expect(cell('other changes of the state')).toMatch(/Again.*`CommandHandled`.*`ConcurrencyConflict`/);
  });

  it('my own message: known by its id', async () => {
    expect(await meetCommand('mine')).toMatchObject({ right: { version: 2, duplicate: true } });
    expect(cell('my own message')).toContain('`duplicate: true`');
  });

  it('the stream archived: refused', async () => {
    expect(await meetCommand('archive')).toMatchObject({ left: { _tag: 'StreamArchived' } });
    expect(cell('the stream archived')).toContain('`StreamArchived`');
  });
});
