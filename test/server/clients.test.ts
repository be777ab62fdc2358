/**
 * The official clients of EventStoreDB and KurrentDB, unmodified, against our server over every store. Each client has a process of its
 * own; every check that it makes there is a test here. `WATERSMEET_ESDB_URL` points all of them at a real server instead.
 */
import { freshDirectory } from '../support/pglite.js';
import { dropTestDatabase, migratedDatabase, whyNoServer } from '../support/postgres.js';
import { clientKinds, lackOf, serverTraits } from './clients/adaptors.mjs';
import { checks } from './clients/checks/index.mjs';
import { compileServer, endServed, type Served, serveStore, type StoreKind } from './clients/served.js';
import { endSuites, expectOk, runSuite, type SuiteRun } from './clients/suite-process.js';

interface Target extends Omit<Served, 'stop'> {
  /** Share of large numbers that the checks are to reach. */
  readonly load: number;
  readonly close: () => Promise<void>;
}

const realServer = process.env['WATERSMEET_ESDB_URL'];
const traits = serverTraits(realServer ?? '', { own: realServer === undefined });

let compiled: ReturnType<typeof compileServer> | undefined;
const folder = (): string => (compiled ??= compileServer()).folder;

const ownTargets: Readonly<Record<StoreKind, () => Promise<Target>>> = {
  memory: async () => {
    const served = await serveStore(folder(), 'memory');
    // Large numbers are for the store over which the server is meant to run.
    return { ...served, load: 0.3, close: served.stop };
  },
  pglite: async () => {
    const { directory, remove } = freshDirectory();
    const served = await serveStore(folder(), 'pglite', directory);
    // It has one connection and no second processor: a tenth of what the others are asked for.
    return { ...served, load: 0.1, close: () => served.stop().finally(remove) };
  },
  postgres: async () => {
    const url = await migratedDatabase();
    const served = await serveStore(folder(), 'postgres', url);
    return { ...served, load: 1, close: () => served.stop().then(() => dropTestDatabase(url)) };
  },
};

const real = (url: string): Target => ({
  url,
  load: 1,
  faults: () => [],
  restart: () => Promise.reject(new Error('a real server is not restarted')),
  close: async () => undefined,
});

const targets = realServer === undefined ? ownTargets : { 'a real server': async () => real(realServer) };

const lacking = (place: string): string => {
  const reason = place === 'postgres' ? whyNoServer() : undefined;
  return reason === undefined ? '' : ` (skipped: ${reason})`;
};

const combinations = Object.entries(targets).flatMap(([place, open]) =>
  clientKinds.map((kind) => ({ place, kind, open, why: lacking(place) })),
);

interface Run extends SuiteRun {
  readonly faults: ReadonlyArray<unknown>;
}

const runs = new Map<number, Promise<Run>>();

const started = (index: number): Promise<Run> | undefined => {
  const combination = combinations[index];
  if (combination === undefined || combination.why !== '') return undefined;
  const known = runs.get(index);
  if (known !== undefined) return known;
  const running = (async () => {
    const target = await combination.open();
    try {
      const { url, load, restart } = target;
      const made = await runSuite(combination.kind, url, { load, ...(traits.own && { restart }) });
      return { ...made, faults: target.faults() };
    } finally {
      await target.close();
    }
  })();
  // Who never asks for it must not end the tests of who does.
  running.catch(() => undefined);
  runs.set(index, running);
  return running;
};

afterAll(async () => {
  endSuites();
  await Promise.allSettled(runs.values());
  endServed();
  compiled?.remove();
});

for (const [index, { place, kind, why }] of combinations.entries()) {
  const group = why === '' ? describe : describe.skip;
  group(`${kind} with the server over ${place}${why}`, () => {
    let made: Run;

    beforeAll(async () => {
      // Two at a time: the next works while this one's tests are told.
      const running = started(index);
      void started(index + 1);
      if (running === undefined) throw new Error('there is no such combination');
      made = await running;
    }, 300_000);

    test('the server has met with no fault', () => expect(made.faults).toEqual([]));

    for (const check of checks) {
      const lack = lackOf(check, kind, traits);
      if (lack === undefined) test(check.name, () => expectOk(made, check.name));
      else test.skip(`${check.name} (skipped: ${lack})`, () => undefined);
    }
  });
}
