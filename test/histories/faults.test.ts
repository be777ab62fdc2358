/** The checks of histories find what they are there for: each fault that is put into a store is reported. */
import { describe, expect, it } from '@jest/globals';
import { whyNoServer } from '../support/postgres.js';
import { checkHistory, type Finding, shownFindings } from './check.js';
import { type OpenClients, openMemoryClients, openPostgresClients } from './clients.js';
import { type Fault, faults } from './faults.js';
import { record } from './record.js';

/** A fault of a race need not show in every history. */
const historiesMax = 10;

const findingsOf = async (open: OpenClients, fault: Fault): Promise<ReadonlyArray<Finding>> => {
  for (let seed = 1; seed <= historiesMax; seed += 1) {
    const opened = await open(seed, (store) => fault.around(store, seed));
    try {
      const found = checkHistory(await record(fault.name, opened, { seed, patienceMs: 1_500 }));
      if (found.length > 0) return found;
    } finally {
      await opened.dispose();
    }
  }
  return [];
};

/** Which checkers report it, at least. */
const reportedBy: Readonly<Record<string, ReadonlyArray<Finding['by']>>> = {
  'unlocked version read': ['linearizability'],
  'on conflict do nothing': ['linearizability', 'order'],
  'polling by sequence': ['order'],
  'lost part of a batch': ['linearizability', 'order'],
  'appendMany one by one': ['cycles'],
  'appendMany without isolation': ['cycles', 'order'],
  'reads from a replica': ['linearizability', 'cycles'],
  'blind retry': ['linearizability', 'cycles'],
  'version of an old snapshot': ['linearizability'],
  'page that begins with its checkpoint': ['order'],
  'read of what is taken back': ['linearizability', 'cycles'],
};

describe('the checks of histories', () => {
  it('know who is to report each fault', () => {
    expect(Object.keys(reportedBy).sort()).toEqual(faults.map(({ name }) => name).sort());
  });
  for (const fault of faults)
    it(`report ${fault.name}: ${fault.what}`, async () => {
      const found = await findingsOf(openMemoryClients, fault);
      const by = [...new Set(found.map((finding) => finding.by))];
      expect(by).toEqual(expect.arrayContaining([...(reportedBy[fault.name] ?? [])]));
      expect(shownFindings(found).length).toBeGreaterThan(40);
    });
});

const skip = whyNoServer();
(skip === undefined ? describe : describe.skip)(
  `the checks of histories of PostgreSQL${skip === undefined ? '' : ` (skipped: ${skip})`}`,
  () => {
    for (const name of ['unlocked version read', 'appendMany one by one']) {
      const fault = faults.find((one) => one.name === name) as Fault;
      it(`report ${name}`, async () => {
        const found = await findingsOf(openPostgresClients, fault);
        const by = new Set(found.map((finding) => finding.by));
        for (const checker of reportedBy[name] ?? []) expect(by).toContain(checker);
      });
    }
  },
);
