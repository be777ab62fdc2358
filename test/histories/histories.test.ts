/**
 * Histories of about 500 operations each, recorded on every store under concurrent load and checked. How many is decided
 * here; `WATERSMEET_HISTORIES` is the number for each store in a long run, `WATERSMEET_HISTORY_SEED` the first seed.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { whyNoServer } from '../support/postgres.js';
import { checkHistory, type Promises, shownFindings } from './check.js';
import {
  type OpenClients,
  type OpenedClients,
  openMemoryClients,
  openPGliteClients,
  openPostgresClients,
} from './clients.js';
import type { History } from './history.js';
import { record } from './record.js';

const wanted = process.env['WATERSMEET_HISTORIES'];
const firstSeed = Number(process.env['WATERSMEET_HISTORY_SEED'] ?? '1');

interface Subject {
  readonly name: string;
  readonly open: OpenClients;
  readonly count: number;
  readonly skip?: string | undefined;
  readonly promises?: Promises;
}

const subjects: ReadonlyArray<Subject> = [
  { name: 'memory', open: openMemoryClients, count: 20 },
  { name: 'pglite', open: openPGliteClients, count: 3 },
  {
    name: 'postgres',
    open: openPostgresClients,
    count: 12,
    skip: whyNoServer(),
  },
];

/** A history in which nothing went wrong because nothing went on would prove nothing. */
const countsOf = ({ operations, order }: History) => {
  const answered = (f: string): number => operations.filter(({ answer }) => answer.f === f).length;
  const overlaps = operations.filter((one, index) =>
    operations.some(
      (other, at) => at !== index && other.calledAt < one.returnedAt && one.calledAt < other.returnedAt,
    ),
  ).length;
  return {
    operations: operations.length,
    appended: answered('appended'),
    refused: answered('refused'),
    unknown: answered('unknown'),
    overlaps,
    events: order.length,
  };
};

for (const { name, open, count, skip, promises } of subjects)
  (skip === undefined ? describe : describe.skip)(
    `histories of event store [${name}] under concurrent load${skip === undefined ? '' : ` (skipped: ${skip})`}`,
    () => {
      const histories = wanted === undefined ? count : Number(wanted);
      const totals = { unknown: 0, appendMany: 0 };
      let opened: OpenedClients;
      beforeAll(async () => {
        opened = await open(firstSeed);
      });
      afterAll(() => opened.dispose());
      it(
        `${histories} of 500 operations are linearizable by stream, without cycles, and seen alike by all readers`,
        async () => {
          for (let seed = firstSeed; seed < firstSeed + histories; seed += 1) {
            const history = await record(`seed ${seed}`, opened, { seed });
            const counts = countsOf(history);
            const found = shownFindings(checkHistory(history, promises));
            if (found !== '') throw new Error(`seed ${seed}, ${JSON.stringify(counts)}\n${found}`);
            expect(counts.operations).toBeGreaterThanOrEqual(500);
            expect(counts.appended).toBeGreaterThan(80);
            expect(counts.refused).toBeGreaterThan(20);
            expect(counts.overlaps).toBeGreaterThan(400);
            totals.unknown += counts.unknown;
            totals.appendMany += history.operations.filter(
              ({ call, answer }) => call.f === 'append' && call.batches.length > 1 && answer.f === 'appended',
            ).length;
          }
          expect(totals.unknown).toBeGreaterThanOrEqual(histories);
          expect(totals.appendMany).toBeGreaterThan(5 * histories);
        },
        120_000 + histories * 20_000,
      );
    },
  );
