/** The checkers agree with others about histories that were recorded and judged elsewhere. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sharedFile } from '../support/shared-data.js';
import { checkCycles } from './cycles.js';
import { readListAppendHistory, readRegisterLog } from './jepsen.js';
import { checkLinearizability } from './linearizability.js';
import { registerModel } from './models.js';

const labels = sharedFile('histories/etcd/labels.json');

describe('the linearizability checker on recorded histories of etcd', () => {
  if (labels.skip !== undefined) {
    it.skip(`decides them as they are labelled (skipped: ${labels.skip})`, () => undefined);
    return;
  }
  const rows = Object.entries(labels.json() as Record<string, { readonly linearizable: boolean }>);
  it('has a label for each of the 52 files', () => {
    const files = readdirSync(join(labels.path, '..')).filter((name) => name.endsWith('.log'));
    expect(rows.map(([name]) => name).sort()).toEqual(files.sort());
    expect(rows.length).toBe(52);
  });
  for (const [name, { linearizable }] of rows)
    it(`${name} is ${linearizable ? '' : 'not '}linearizable`, () => {
      const operations = readRegisterLog(sharedFile(`histories/etcd/${name}`).path);
      expect(operations.length).toBeGreaterThan(50);
      expect(checkLinearizability(registerModel, operations)._tag).toBe(
        linearizable ? 'linearizable' : 'notLinearizable',
      );
    });
});

describe('the cycle checker on histories that come with Elle', () => {
  for (const [name, kind] of [
    ['si-without-g-single', 'G2-item'],
    ['paper-example', 'G-single'],
  ] as const) {
    const file = sharedFile(`histories/elle/${name}.edn`);
    if (file.skip !== undefined) {
      it.skip(`${name} shows ${kind} (skipped: ${file.skip})`, () => undefined);
      continue;
    }
    it(`${name} shows ${kind}, and nothing else`, () => {
      const transactions = readListAppendHistory(file.path);
      expect(transactions.length).toBe(4);
      expect(checkCycles(transactions).map((anomaly) => anomaly.kind)).toEqual([kind]);
    });
  }
});
