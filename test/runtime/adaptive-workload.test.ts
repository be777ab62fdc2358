/** The workload that `npm run adaptive` measures: nothing is lost under any strategy, and the adaptive one follows the load. */
import { describe, expect, it } from '@jest/globals';
import { memoryStore } from 'watersmeet';
import { type PhaseResult, runWorkload, workloadStrategies } from '../support/adaptive-workload.js';
import { dice } from '../../src/runtime/dice.js';

describe('a workload that changes', () => {
  it.each(workloadStrategies)('leaves in the streams what was confirmed under %s', async (name) => {
    const given = { lasts: { operations: 100 }, prefix: 'k', random: dice(1) };
    const { phases, wrong } = await runWorkload(memoryStore(), name, given);
    expect(wrong).toEqual([]);
    expect(phases.map(({ useful }) => useful > 0)).toEqual([true, true, true, true]);
  });

  it('is met by lines in a rush, and by none where it is calm, before and after', async () => {
    const given = { lasts: { operations: 600 }, prefix: 'k', random: dice(1) };
    const { phases } = await runWorkload(memoryStore(), 'adaptive', given);
    const [calm, rush, , calmAgain] = phases as [PhaseResult, PhaseResult, PhaseResult, PhaseResult];
    const inLine = ({ strategies, useful }: PhaseResult) => (strategies['pessimistic'] ?? 0) / useful;
    expect(inLine(calm)).toBe(0);
    expect(inLine(rush)).toBeGreaterThan(0.7);
    expect(inLine(calmAgain)).toBe(0);
  });
});
