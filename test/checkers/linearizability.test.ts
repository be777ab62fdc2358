/** The linearizability checker decides handwritten and generated histories rightly. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { any, exactly, noStream } from '../../src/core/stream.js';
import { byKey, checkLinearizability, explainVerdict, type Operation } from './linearizability.js';
import {
  registerModel,
  type RegisterInput,
  type RegisterOutput,
  type StreamInput,
  streamModel,
  type StreamOutput,
} from './models.js';

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;
type StreamOperation = Operation<StreamInput, StreamOutput>;

const verdictOf = (operations: ReadonlyArray<RegisterOperation>): string =>
  checkLinearizability(registerModel, operations)._tag;
const streamVerdictOf = (operations: ReadonlyArray<StreamOperation>): string =>
  checkLinearizability(streamModel, operations)._tag;

const write = (calledAt: number, returnedAt: number, value: number): RegisterOperation => ({
  input: { f: 'write', value },
  output: { f: 'write' },
  calledAt,
  returnedAt,
});
const read = (calledAt: number, returnedAt: number, value: number | null): RegisterOperation => ({
  input: { f: 'read' },
  output: { f: 'read', value },
  calledAt,
  returnedAt,
});
const cas = (
  calledAt: number,
  returnedAt: number,
  [from, to]: readonly [number, number],
  swapped: boolean,
): RegisterOperation => ({
  input: { f: 'cas', from, to },
  output: { f: 'cas', swapped },
  calledAt,
  returnedAt,
});
const lost = (operation: RegisterOperation): RegisterOperation => ({
  ...operation,
  output: undefined,
  returnedAt: Infinity,
});

describe('the linearizability checker on a register', () => {
  const cases: ReadonlyArray<
    readonly [title: string, good: boolean, operations: ReadonlyArray<RegisterOperation>]
  > = [
    ['no operation at all', true, []],
    ['one after the other', true, [write(0, 1, 1), read(2, 3, 1), write(4, 5, 2), read(6, 7, 2)]],
    ['a read of what was overwritten before it', false, [write(0, 1, 1), write(2, 3, 2), read(4, 5, 1)]],
    ['a read that overlaps a write may see either side', true, [write(0, 9, 1), read(1, 2, null)]],
    ['two reads that see new, then old', false, [write(0, 9, 1), read(1, 2, 1), read(3, 4, null)]],
    [
      'two writes at once, and later readers that do not agree',
      false,
      [write(0, 9, 1), write(0, 9, 2), read(10, 11, 1), read(12, 13, 2)],
    ],
    ['a read of what nobody wrote', false, [write(0, 1, 1), read(0, 1, 7)]],
    ['a lost write that is seen much later', true, [lost(write(0, 1, 1)), read(2, 3, null), read(8, 9, 1)]],
    ['a lost write that is never seen', true, [lost(write(0, 1, 1)), read(2, 3, null)]],
    [
      'a lost write that is seen, and then not any more',
      false,
      [lost(write(0, 1, 1)), read(2, 3, 1), read(4, 5, null)],
    ],
    ['a lost write that is seen before it was called', false, [read(0, 1, 1), lost(write(2, 3, 1))]],
    ['a cas that swapped although nobody had written', false, [cas(0, 1, [1, 2], true)]],
    [
      'one of two equal cas swapped',
      true,
      [write(0, 1, 1), cas(2, 9, [1, 2], true), cas(2, 9, [1, 3], false)],
    ],
    ['both of them did', false, [write(0, 1, 1), cas(2, 9, [1, 2], true), cas(2, 9, [1, 3], true)]],
    ['a cas was refused where it fitted', false, [write(0, 1, 1), cas(2, 3, [1, 2], false)]],
    [
      'an answer and a call at one moment overlap',
      true,
      [write(0, 1, 1), write(1, 2, 2), write(2, 3, 3), read(3, 4, 2)],
    ],
  ];
  for (const [title, good, operations] of cases)
    it(`${title}: ${good ? 'linearizable' : 'not linearizable'}`, () => {
      expect(verdictOf(operations)).toBe(good ? 'linearizable' : 'notLinearizable');
    });

  it('says how far it came, and what could not come next', () => {
    const verdict = checkLinearizability(registerModel, [write(0, 1, 1), write(2, 3, 2), read(4, 5, 1)]);
    expect(explainVerdict(verdict)).toBe(
      'not linearizable: after 2 operations the state is 2, and none of these can come next:\n' +
        '  {"f":"read"} answered {"f":"read","value":1}, called at 4, answered at 5',
    );
  });

  it('answers an order that gives each the answer it had', () => {
    const verdict = checkLinearizability(registerModel, [write(0, 9, 1), read(1, 2, null), read(3, 4, 1)]);
    if (verdict._tag !== 'linearizable') throw new Error(explainVerdict(verdict));
    expect(verdict.order.map(({ input }) => input.f)).toEqual(['read', 'write', 'read']);
  });

  it('gives up after as many steps as it was allowed, and says so', () => {
    const writes = Array.from({ length: 12 }, (_, value) => write(0, 9, value));
    const verdict = checkLinearizability(registerModel, [...writes, read(10, 11, 99)], 1_000);
    expect(verdict._tag).toBe('undecided');
  });
});

/** By trying every order of every choice of the lost ones: slow, and too simple to be wrong. */
const bruteForce = (operations: ReadonlyArray<RegisterOperation>): boolean => {
  const go = (state: number | null, rest: ReadonlyArray<RegisterOperation>): boolean => {
    if (rest.every(({ output }) => output === undefined)) return true;
    const firstAnswer = Math.min(
      ...rest.map(({ output, returnedAt }) => (output === undefined ? Infinity : returnedAt)),
    );
    return rest.some((operation) => {
      if (operation.calledAt > firstAnswer) return false;
      const after = registerModel.step(state, operation.input, operation.output);
      return (
        after !== undefined &&
        go(
          after,
          rest.filter((other) => other !== operation),
        )
      );
    });
  };
  return go(registerModel.init, operations);
};

const anOperation: fc.Arbitrary<RegisterOperation> = fc
  .tuple(
    fc.nat(12),
    fc.integer({ min: 1, max: 6 }),
    fc.constantFrom('read' as const, 'write' as const, 'cas' as const),
    fc.nat(2),
    fc.nat(2),
    fc.boolean(),
    fc.integer({ min: 0, max: 5 }),
  )
  .map(([calledAt, length, f, a, b, swapped, dice]) => {
    const returnedAt = calledAt + length;
    if (f === 'read') return read(calledAt, returnedAt, a);
    const operation =
      f === 'write' ? write(calledAt, returnedAt, a) : cas(calledAt, returnedAt, [a, b], swapped);
    return dice === 0 ? lost(operation) : operation;
  });

/** A history that did happen one at a time, at the moments 0, 10, 20 and so on, with calls and answers around them. */
const happened = (
  steps: ReadonlyArray<{ f: 'read' | 'write'; before: number; behind: number; lost: boolean }>,
): ReadonlyArray<RegisterOperation> => {
  let state: number | null = null;
  return steps.map((step, index) => {
    const [calledAt, returnedAt] = [index * 10 - step.before, index * 10 + step.behind];
    if (step.f === 'read') return read(calledAt, returnedAt, state);
    state = index;
    return step.lost ? lost(write(calledAt, returnedAt, index)) : write(calledAt, returnedAt, index);
  });
};

const aStep = fc.record({
  f: fc.constantFrom('read' as const, 'write' as const),
  before: fc.nat(45),
  behind: fc.nat(45),
  lost: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
});

describe('the linearizability checker on generated histories', () => {
  it('agrees with trying every order, on 3,000 small histories', () => {
    let [good, bad] = [0, 0];
    fc.assert(
      fc.property(fc.array(anOperation, { minLength: 1, maxLength: 7 }), (operations) => {
        const expected = bruteForce(operations);
        if (expected) good += 1;
        else bad += 1;
        expect(verdictOf(operations)).toBe(expected ? 'linearizable' : 'notLinearizable');
      }),
      { numRuns: 3_000 },
    );
    // Neither side is a rare exception.
    expect(Math.min(good, bad)).toBeGreaterThan(200);
  });

  it('accepts what did happen one at a time, however calls overlap', () => {
    fc.assert(
      fc.property(fc.array(aStep, { minLength: 1, maxLength: 60 }), (steps) => {
        expect(verdictOf(happened(steps))).toBe('linearizable');
      }),
      { numRuns: 300 },
    );
  });

  it('refuses the same with one read of what had been overwritten for good before it was called', () => {
    fc.assert(
      fc.property(fc.array(aStep, { maxLength: 25 }), fc.array(aStep, { maxLength: 25 }), (early, late) => {
        const narrow = { before: 1, behind: 1, lost: false };
        const middle = [
          { f: 'write' as const, ...narrow },
          { f: 'write' as const, ...narrow },
          { f: 'read' as const, ...narrow },
        ];
        const operations = [...happened([...early, ...middle, ...late])];
        const at = early.length + 2;
        operations[at] = read(at * 10 - 1, at * 10 + 1, early.length);
        expect(verdictOf(operations)).toBe('notLinearizable');
      }),
      { numRuns: 300 },
    );
  });
});

const appended = (
  calledAt: number,
  returnedAt: number,
  ids: ReadonlyArray<string>,
  version: number,
  expected: Extract<StreamInput, { f: 'append' }>['expected'] = any,
): StreamOperation => ({
  input: { f: 'append', ids, expected },
  output: { f: 'appended', version, idempotent: false },
  calledAt,
  returnedAt,
});
const refused = (
  calledAt: number,
  returnedAt: number,
  expectedVersion: number,
  actual: number,
): StreamOperation => ({
  input: { f: 'append', ids: [`refused ${calledAt}`], expected: exactly(expectedVersion) },
  output: { f: 'refused', actual, tail: undefined },
  calledAt,
  returnedAt,
});
const page = (calledAt: number, returnedAt: number, ids: ReadonlyArray<string>): StreamOperation => ({
  input: { f: 'read', direction: 'forwards', from: 1, maxCount: 100 },
  output: { f: 'page', ids, version: ids.length },
  calledAt,
  returnedAt,
});

describe('the linearizability checker on a stream', () => {
  const unknown = (operation: StreamOperation): StreamOperation => ({ ...operation, output: undefined });
  const again = (operation: StreamOperation): StreamOperation => ({
    ...operation,
    output: { f: 'appended', version: 2, idempotent: true },
    calledAt: 20,
    returnedAt: 21,
  });
  const first = appended(0, 1, ['a', 'b'], 2, noStream);
  const cases: ReadonlyArray<
    readonly [title: string, good: boolean, operations: ReadonlyArray<StreamOperation>]
  > = [
    ['appended and read', true, [first, page(2, 3, ['a', 'b'])]],
    ['half of a batch was read', false, [first, page(0, 1, ['a'])]],
    [
      'both of two writers at version 2 won',
      false,
      [first, appended(2, 9, ['c'], 3, exactly(2)), appended(2, 9, ['d'], 4, exactly(2))],
    ],
    [
      'one won, the other learnt where the stream stands',
      true,
      [first, appended(2, 9, ['c'], 3, exactly(2)), refused(2, 9, 2, 3)],
    ],
    [
      'the other was told what was before the winner',
      false,
      [first, appended(2, 9, ['c'], 3, exactly(2)), refused(2, 9, 2, 2)],
    ],
    ['an acknowledged append is not read', false, [first, appended(2, 3, ['c'], 3), page(4, 5, ['a', 'b'])]],
    ['two appends were given one version', false, [appended(0, 9, ['a'], 1), appended(0, 9, ['b'], 1)]],
    ['a repeat was recognised', true, [first, again(first), page(30, 31, ['a', 'b'])]],
    ['a repeat was written again', false, [first, again(first), page(30, 31, ['a', 'b', 'a', 'b'])]],
    [
      'a lost append was read late',
      true,
      [first, unknown(appended(2, 3, ['c'], 3)), page(4, 5, ['a', 'b']), page(6, 7, ['a', 'b', 'c'])],
    ],
    [
      'a lost append whose version was gone was read',
      false,
      [first, unknown(appended(2, 3, ['c'], 1, noStream)), page(6, 7, ['a', 'b', 'c'])],
    ],
  ];
  for (const [title, good, operations] of cases)
    it(`${title}: ${good ? 'linearizable' : 'not linearizable'}`, () => {
      expect(streamVerdictOf(operations)).toBe(good ? 'linearizable' : 'notLinearizable');
    });

  it('is asked for each key alone', () => {
    const parts = byKey([write(0, 1, 1), write(0, 1, 2), write(2, 3, 1)], (input) =>
      input.f === 'write' ? String(input.value) : '',
    );
    expect([...parts].map(([key, operations]) => [key, operations.length])).toEqual([
      ['1', 2],
      ['2', 1],
    ]);
  });
});
