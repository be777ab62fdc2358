/**
 * Two processes share one store, each with half of the messages of every case; one is killed half-way and starts again. On PostgreSQL,
 * and through EventStoreDB's protocol.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  isSameEnd,
  type SagaEnd,
  type EventStore,
  sagaRuntime,
  serialEnd,
  startPosition,
  survey,
  toPromise,
} from 'watersmeet';
import { loanApplication, loanProgram, readCases } from '../../sagas/loan-application/index.js';
import { openEventStoreDB } from 'watersmeet/eventstoredb';
import { realServerUrl } from '../support/eventstoredb.js';
import { openTestPostgres } from '../support/stores.js';

const sample = 'sagas/loan-application/sample.xes.gz';

interface Shared {
  readonly store: EventStore;
  /** What the processes are told. */
  readonly url: string;
  readonly dispose: () => Promise<void>;
}

/** A server of its own process, as `watersmeet serve` makes one, or the real one. */
const openServed = async (): Promise<Shared> => {
  const real = realServerUrl();
  const args = ['dist/esm/src/cli/main.js', 'serve', '--store', 'memory', '--port', '0'];
  const server =
    real === undefined ? spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] }) : undefined;
  const url =
    real ?? String((await once(server?.stdout as NonNullable<ChildProcess['stdout']>, 'data'))[0]).trim();
  const store = await toPromise(openEventStoreDB({ connectionString: url }));
  const dispose = async (): Promise<void> => {
    await store.close();
    server?.kill('SIGKILL');
  };
  return { store, url, dispose };
};

const places: ReadonlyArray<readonly [name: string, open: () => Promise<Shared>]> = [
  ['PostgreSQL', openTestPostgres],
  ['EventStoreDB', openServed],
];

/** All events that a process wrote for a message, by the message's id. */
const handledMessages = async ({ store }: Shared): Promise<ReadonlyArray<string>> => {
  const ids: string[] = [];
  const filter = { types: Object.keys(loanApplication.events) };
  for (let after = startPosition; ; ) {
    const page = await toPromise(store.readAll({ after, filter, maxCount: 4_096 }));
    for (const { metadata, type } of page.events)
      if (type.endsWith('Moved') && metadata.causationId !== undefined) ids.push(metadata.causationId);
    if (page.isEnd) return ids;
    after = page.last;
  }
};

describe.each(places)('two processes on one %s', (_, open) => {
  let opened: Shared;
  const children = new Set<ChildProcess>();
  beforeAll(async () => {
    // Processes run what users run: the built package.
    execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'ignore' });
    opened = await open();
  }, 300_000);
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await opened.dispose();
  });

  const start = (part: 1 | 2): { readonly child: ChildProcess; readonly ended: Promise<number | null> } => {
    const options = ['--input', sample, '--store', opened.url, '--workers', '4', '--seed', String(part)];
    const args = [
      'dist/esm/src/cli/main.js',
      'run',
      'loan-application',
      ...options,
      '--share',
      `${part}/2`,
      '--json',
    ];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    children.add(child);
    const ended = once(child, 'exit').then(([code]) => {
      children.delete(child);
      return code as number | null;
    });
    return { child, ended };
  };

  it('end as one would, although one is killed with SIGKILL half-way and started again', async () => {
    const [first, second] = [start(1), start(2)];
    while ((await handledMessages(opened)).length < 1_500)
      await new Promise((resolve) => setTimeout(resolve, 200));
    first.child.kill('SIGKILL');
    await first.ended;
    // 1 says that work was left when the process looked: the other one may have had it in hand at that moment.
    for (const code of [await start(1).ended, await second.ended]) expect([0, 1]).toContain(code);

    // Whatever a process left undone when it died is owed, and done by whoever follows.
    const following = sagaRuntime(loanApplication, { store: opened.store }).follow({ subscriber: 'check' });
    await following.caughtUp();
    await following.stop();

    const ends = new Map<string, SagaEnd>();
    const facts = await survey(loanProgram, opened.store, (end) => void ends.set(end.sagaId, end));
    const handled = await handledMessages(opened);
    let messages = 0;
    const different: string[] = [];
    for await (const one of readCases(sample)) {
      messages += one.messages.length;
      const serial = serialEnd(
        loanProgram,
        one.sagaId,
        one.messages.map(({ message }) => message),
      );
      const end = ends.get(one.sagaId);
      if (end === undefined || !isSameEnd(end, serial)) different.push(one.sagaId);
    }
    expect(different).toEqual([]);
    expect(handled).toHaveLength(messages);
    expect(new Set(handled).size).toBe(messages);
    expect(facts).toMatchObject({
      sagas: 300,
      parked: 0,
      owed: 0,
      decisionsSent: 300,
      outcomes: { open: 0 },
    });
    expect(facts.branchesMerged).toBeGreaterThan(100);
    expect(facts.figures).toEqual({ openOffersAfterDecision: 0 });
  }, 600_000);
});
