/** The workload that `npm run adaptive` measures: nothing is lost under any strategy, and the adaptive one follows the load. */
import { describe, expect, it } from '@jest/globals';
import { memoryStore } from 'watersmeet';
import {
  type PhaseResult,
  phases,
  workloadOn,
  type WorkloadStrategy,
  workloadStrategies,
} from '../support/adaptive-workload.js';
import { dice } from '../../src/runtime/dice.js';

/** All phases, one after the other, each with so many operations. */
const runAll = async (name: WorkloadStrategy, operations: number) => {
  const workload = workloadOn(memoryStore(), name, { prefix: 'k', random: dice(1) });
  const results: PhaseResult[] = [];
  for (const phase of phases) results.push(await workload.run(phase, { operations }));
  return { results, wrong: await workload.wrong() };
};

describe('a workload that changes', () => {
  it.each(workloadStrategies)('leaves in the streams what was confirmed under %s', async (name) => {
    const { results, wrong } = await runAll(name, 100);
    expect(wrong).toEqual([]);
    expect(results.map(({ useful }) => useful > 0)).toEqual([true, true, true, true]);
  });

  it('is met by lines in a rush, and by none where it is calm, before and after', async () => {
    const { results } = await runAll('adaptive', 600);
    const [calm, rush, , calmAgain] = results as [PhaseResult, PhaseResult, PhaseResult, PhaseResult];
    const inLine = ({ strategies, useful }: PhaseResult) => (strategies['pessimistic'] ?? 0) / useful;
    expect(inLine(calm)).toBe(0);
    expect(inLine(rush)).toBeGreaterThan(0.7);
    expect(inLine(calmAgain)).toBe(0);
  });
});
