/** `checkMerger`: mergers that keep the laws pass, and each naive one is shown the law that it breaks, on a small history. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as t from 'io-ts';
import {
  counter,
  flag,
  lww,
  lwwWrite,
  map,
  max,
  mergeRefused,
  mergeStates,
  merger,
  min,
  orSet,
  orSetAdd,
  orSetRemove,
  ranked,
  record,
  saga,
  taggedOf,
  union,
  unlessBothChanged,
} from 'watersmeet';
import * as E from 'fp-ts/lib/Either.js';
import { acceptableCredit, bureaus } from '../../sagas/acceptable-credit/index.js';
import { loanApplication } from '../../sagas/loan-application/saga.js';
import { assertMerger, checkMerger, type CheckMergerOptions } from '../../src/testing/laws/check-merger.js';
import type { LawName, MergerReport } from '../../src/testing/laws/report.js';
import { basketSaga } from '../support/basket.js';
import {
  addingUp,
  byThree,
  naive,
  type Shelf,
  shelfSaga,
  type Table,
  tableSaga,
  textbook,
  valueSaga,
} from './mergers-under-test.js';

const seed = 42;
/** Names that are never taken. */
const onlyPut: CheckMergerOptions<Shelf> = {
  seed,
  runs: 150,
  arbitraries: { Take: fc.constant({ name: 'nobody' }) },
};
const statuses = ({ laws }: MergerReport) =>
  Object.fromEntries(laws.map(({ name, status }) => [name, status]));
const brokenBy = (report: MergerReport): ReadonlyArray<LawName> =>
  report.laws.filter(({ status }) => status === 'broken').map(({ name }) => name);
const exampleOf = (report: MergerReport, law: LawName) => {
  const example = report.laws.find(({ name }) => name === law)?.counterexample;
  if (example === undefined) throw new Error(`no counterexample of ${law} in:\n${report.text}`);
  return example;
};

// Two that write the very same list, whatever they add first.
const sortedWith = (list: ReadonlyArray<string>, name: string) =>
  [...new Set([...list, name])].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
const stages = ['open', 'paid', 'sent'] as const;
const lwwOf = t.type({ value: t.string, tag: t.readonly(t.tuple([t.number, t.string])) });

const combinators: Readonly<Record<string, ReturnType<typeof valueSaga>>> = {
  counter: valueSaga({
    rule: counter,
    value: t.number,
    start: 7,
    data: t.number,
    step: (value, by) => value + by,
  }),
  max: valueSaga({ rule: max, value: t.number, start: 0, data: t.number, step: (a, b) => Math.max(a, b) }),
  min: valueSaga({ rule: min, value: t.number, start: 0, data: t.number, step: (a, b) => Math.min(a, b) }),
  flag: valueSaga({
    rule: flag,
    value: t.boolean,
    start: false,
    data: t.boolean,
    step: (value, up) => value || up,
  }),
  union: valueSaga({
    rule: union<string>(),
    value: t.readonlyArray(t.string),
    start: ['c'],
    data: t.string,
    step: sortedWith,
  }),
  orSet: valueSaga({
    rule: orSet,
    value: t.record(t.string, t.readonlyArray(t.string)),
    start: {},
    data: t.type({ adds: t.boolean, name: t.string }),
    step: (value, { adds, name }, writer) =>
      adds ? orSetAdd(value, name, writer) : orSetRemove(value, name),
  }),
  lww: valueSaga({
    rule: lww<string>(),
    value: lwwOf,
    start: { value: '', tag: [0, ''] },
    data: t.string,
    step: (value, to, writer) => lwwWrite(value, to, writer) as t.TypeOf<typeof lwwOf>,
  }),
  ranked: valueSaga({
    rule: ranked(stages as ReadonlyArray<(typeof stages)[number]>),
    value: t.keyof({ open: null, paid: null, sent: null }),
    start: 'open',
    data: t.keyof({ open: null, paid: null, sent: null }),
    step: (value, to) => (stages.indexOf(to) > stages.indexOf(value) ? to : value),
  }),
  map: valueSaga({
    rule: map(counter, 0) as never,
    value: t.record(t.string, t.number),
    start: {},
    data: t.type({ key: t.string, by: t.number }),
    step: (value, { key, by }) => {
      const sum = (Object.hasOwn(value, key) ? (value[key] ?? 0) : 0) + by;
      const { [key]: _old, ...rest } = value;
      return sum === 0 ? rest : { ...rest, [key]: sum };
    },
  }),
  record: valueSaga({
    rule: record<{ n: number; up: boolean }>({ n: counter, up: flag }),
    value: t.type({ n: t.number, up: t.boolean }),
    start: { n: 1, up: false },
    data: t.type({ by: t.number, up: t.boolean }),
    step: (value, { by, up }) => ({ n: value.n + by, up: value.up || up }),
  }),
  'unlessBothChanged, of a value that is written once': valueSaga({
    rule: unlessBothChanged<string>(),
    value: t.string,
    start: '',
    data: t.string,
    step: (value, to) => (value === '' ? to : value),
  }),
};

describe('checkMerger, on mergers that keep the laws', () => {
  it.each(Object.keys(combinators))('the combinator %s', (name) => {
    const report = checkMerger(combinators[name] as never, { seed, runs: 100 });
    expect({ text: report.text, ok: report.ok }).toEqual({ text: report.text, ok: true });
  });

  it('the basket, with a default number of runs that all lead somewhere', () => {
    const report = checkMerger(basketSaga(), { seed });
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['holds']));
    for (const { runs, aside, refused } of report.laws) {
      expect(runs).toBe(300);
      expect(aside).toBeLessThan(200);
      expect(refused).toBe(0);
    }
    expect(report.text).toContain('The merger of basket keeps all 8 laws (seed 42).');
  });

  it('the three bureaus: conflicting customers are refused, and counted', () => {
    const score = fc.record({
      bureau: fc.constantFrom(...bureaus),
      score: fc.integer({ min: 300, max: 850 }),
    });
    const report = checkMerger(acceptableCredit, {
      seed,
      runs: 150,
      arbitraries: { CreditCardScore: score },
    });
    expect(report.text).toContain('keeps all 8 laws');
    expect(report.laws.find(({ name }) => name === 'diamond')?.refused).toBeGreaterThan(10);
    expect(report.text).toMatch(/diamond .*\(\d+ conflicts, \d+ % refused\)/);
  });

  it('the loan applications, with activities that decide something', () => {
    const activity = (names: ReadonlyArray<string>) => fc.record({ activity: fc.constantFrom(...names) });
    const arbitraries = {
      ApplicationReported: activity(['A_APPROVED', 'A_DECLINED', 'A_CANCELLED', 'A_FINALIZED']),
      OfferReported: activity(['O_CREATED', 'O_CANCELLED', 'O_DECLINED']),
    };
    const report = checkMerger(loanApplication, { seed, runs: 150, arbitraries });
    expect(report.text).toContain('keeps all 8 laws');
  });

  it('the merger alone, without onMerged, is another question: the loans decide in onMerged', () => {
    const arbitraries = {
      ApplicationReported: fc.constant({ activity: 'A_APPROVED' }),
    };
    const report = checkMerger(loanApplication, { seed, runs: 50, arbitraries, withOnMerged: false });
    expect(brokenBy(report)).toContain('unmovedTrunk');
  });
});

describe('checkMerger, on mergers as they are first written', () => {
  const expected: Readonly<Record<string, ReadonlyArray<LawName>>> = {
    'last write wins': ['unchangedBranch', 'diamond', 'grouping'],
    'a branch is ignored': ['unmovedTrunk'],
    'counts are summed without their base': ['unchangedBranch', 'unmovedTrunk'],
    'the textbook set': ['diamond', 'grouping'],
    'the trunk is changed in place': ['inputUntouched'],
    'random numbers': ['deterministic'],
    'a counter of its own': ['deterministic'],
    'the clock': ['deterministic'],
    'it throws': ['answers'],
    'what no store takes': ['answers'],
    'the first of several branches': ['grouping'],
  };

  it('has an expectation for each', () => {
    expect(Object.keys(expected)).toEqual(Object.keys(naive));
  });

  it.each(Object.keys(naive))(
    '%s: the law is named, the history is small, and its path leads there',
    (name) => {
      const checked = shelfSaga(naive[name] as (typeof naive)[string]);
      const report = checkMerger(checked, { seed });
      const broken = brokenBy(report);
      expect(broken).toEqual(expect.arrayContaining([...(expected[name] ?? [])]));
      const law = expected[name]?.[0] as LawName;
      const { trunk, branches, path, text } = exampleOf(report, law);
      expect(trunk.length).toBeLessThanOrEqual(1);
      expect(branches.length).toBeLessThanOrEqual(2);
      expect(report.text).toContain(text);
      if (law === 'deterministic') return;
      const again = exampleOf(checkMerger(checked, { seed, laws: [law], path }), law);
      expect({ trunk: again.trunk, branches: again.branches }).toEqual({ trunk, branches });
    },
  );

  it('the textbook set keeps both simple laws and breaks the diamond only where bases differ', () => {
    const report = checkMerger(shelfSaga(byThree(textbook)), { seed });
    expect(brokenBy(report)).toEqual(['diamond', 'grouping']);
    const { trunk, ours, branches, merged } = exampleOf(report, 'diamond');
    expect(trunk.map(({ type }) => type)).toEqual(['Put']);
    expect(new Set(branches.map(({ baseVersion }) => baseVersion))).toEqual(new Set([0, 1]));
    expect(new Set(branches.map(({ type }) => type))).toEqual(new Set(['Put', 'Take']));
    const { names } = ours as Shelf;
    const ends = merged.map(({ value }) => (value as Shelf).names);
    expect(new Set(ends.map((end) => end.length))).toEqual(new Set([0, 1]));
    expect(ends).toContainEqual(names);
  });

  it('a merger that is right for one branch and wrong for several keeps all laws but grouping', () => {
    const report = checkMerger(shelfSaga(naive['the first of several branches'] as never), onlyPut);
    expect(brokenBy(report)).toEqual(['grouping']);
    expect(exampleOf(report, 'grouping').merged.map(({ label }) => label)).toEqual([
      'merged at once',
      expect.stringMatching(/^merged, \d, then \d$/),
    ]);
  });

  it('the form over all states, as a sum, counts its base once for each state', () => {
    const sum = mergeStates<Shelf>((states) => ({
      count: states.reduce((total, { count }) => total + count, 0),
      names: [...new Set(states.flatMap(({ names }) => names))].sort(),
    }));
    expect(brokenBy(checkMerger(shelfSaga(sum), { seed }))).toContain('unchangedBranch');
  });

  it('unlessBothChanged, of a value that comes back to what it was, depends on the order', () => {
    const rewritten = valueSaga({
      rule: unlessBothChanged<string>(),
      value: t.string,
      start: '',
      data: t.string,
      step: (_value, to) => to,
    });
    expect(brokenBy(checkMerger(rewritten, { seed }))).toEqual(['diamond', 'grouping']);
  });
});

describe('checkMerger, on purity', () => {
  const wrong = (name: keyof typeof naive) => checkMerger(shelfSaga(naive[name] as never), { seed });

  it('skips the other laws: they cannot be told of what is no function', () => {
    expect(statuses(wrong('random numbers'))).toEqual({
      prototypes: 'holds',
      deterministic: 'broken',
      inputUntouched: 'holds',
      answers: 'skipped',
      unchangedBranch: 'skipped',
      unmovedTrunk: 'skipped',
      diamond: 'skipped',
      grouping: 'skipped',
    });
  });

  it('shows what was changed in the input, and that it throws in the engine, which freezes it', () => {
    const { problem } = exampleOf(wrong('the trunk is changed in place'), 'inputUntouched');
    expect(problem).toMatch(
      /^It changes what it is given. The engine gives it frozen, so that it throws: Cannot assign/,
    );
  });

  it('sees a change that throws nothing: of what the merger froze or copied too little', () => {
    const report = checkMerger(
      shelfSaga(
        byThree((base, ours, theirs) => {
          if (!Object.isFrozen(ours)) ours.names.push('seen');
          return addingUp(base, ours, theirs);
        }),
      ),
      { seed },
    );
    expect(exampleOf(report, 'inputUntouched').text).toMatch(/^ +\+ +"seen"/m);
  });

  it('a key that reaches Object.prototype is reported, and the harm is undone', () => {
    const careless = (_base: Table, ours: Table, theirs: Table): Table => {
      const merged: Table = Object.fromEntries(
        Object.entries(ours).map(([row, columns]) => [row, { ...columns }]),
      );
      // Assignment to `merged['__proto__'].x` is assignment to every object.
      for (const row of Object.keys(theirs))
        for (const column of Object.keys(theirs[row] ?? {}))
          (merged[row] ??= {})[column] = theirs[row]?.[column] ?? 0;
      return merged;
    };
    const before = Reflect.ownKeys(Object.prototype).length;
    const { problem } = exampleOf(checkMerger(tableSaga(careless), { seed }), 'prototypes');
    expect(problem).toMatch(/^A key reaches a prototype: it adds \w+/);
    expect(Reflect.ownKeys(Object.prototype)).toHaveLength(before);
  });

  it('a key that replaces the prototype of the answer is reported', () => {
    const careless = (_base: Table, ours: Table, theirs: Table): Table => {
      const merged: Table = { ...ours };
      for (const row of Object.keys(theirs)) merged[row] = { ...ours[row], ...theirs[row] };
      return merged;
    };
    const { problem, branches } = exampleOf(checkMerger(tableSaga(careless), { seed }), 'prototypes');
    expect(problem).toBe('A key reaches a prototype: in its answer, data has become the prototype of $.');
    expect(branches.map(({ data }) => (data as { row: string }).row)).toEqual(['__proto__']);
  });
});

describe('checkMerger, its options', () => {
  const lawful = shelfSaga(byThree(addingUp));

  it('arbitraries narrow what happens: names that are never taken are merged well', () => {
    expect(brokenBy(checkMerger(lawful, { seed }))).not.toEqual([]);
    expect(checkMerger(lawful, onlyPut).text).toContain('keeps all 8 laws');
  });

  it('the same seed gives the same report, another seed another history', () => {
    const options = { seed: 7, runs: 50 };
    expect(checkMerger(lawful, options)).toEqual(checkMerger(lawful, options));
    expect(checkMerger(lawful, { runs: 1 }).seed).toEqual(expect.any(Number));
  });

  it('an invariant that holds on both sides must hold after the merge', () => {
    const report = checkMerger(shelfSaga(byThree(addingUp)), {
      ...onlyPut,
      runs: 300,
      invariants: { 'at most 1 name': ({ names }) => names.length <= 1, 'counts are numbers': () => true },
    });
    expect(brokenBy(report)).toEqual(['invariant at most 1 name']);
    const { merged, text } = exampleOf(report, 'invariant at most 1 name');
    expect((merged[0]?.value as Shelf).names).toHaveLength(2);
    expect(text).toContain('holds on the trunk and on every branch, and not after their merge');
  });

  it('equals says when two states are the same', () => {
    const appended = valueSaga({
      rule: union<string>(),
      value: t.readonlyArray(t.string),
      start: [],
      data: t.string,
      step: (value, name) => [...new Set([...value, name])],
    });
    expect(brokenBy(checkMerger(appended, { seed }))).toContain('diamond');
    const asSet = ({ value }: { value: ReadonlyArray<string> }) => [...value].sort().join();
    const equals = ((a: never, b: never) => asSet(a) === asSet(b)) as never;
    expect(checkMerger(appended, { seed, equals }).ok).toBe(true);
  });

  it('histories of events need no handlers, and reach what handlers do not', () => {
    const strict = saga({
      ...{ name: 'strict', sends: {}, onConflict: 'merge' as const },
      messages: { Open: t.type({}) },
      events: { Opened: t.type({}), Closed: t.type({}) },
      state: t.type({ open: t.boolean }),
      initialState: { open: false },
      evolve: { Opened: () => ({ open: true }), Closed: () => ({ open: false }) },
      react: { Open: () => ({ events: [{ type: 'Opened' as const, data: {} }] }) },
      merge: { threeWay: record({ open: flag }) },
    });
    expect(checkMerger(strict, { seed }).ok).toBe(true);
    expect(checkMerger(strict, { seed, steps: 'events' }).ok).toBe(false);
  });

  it('laws chooses, and a path needs its seed and its law', () => {
    expect(checkMerger(lawful, { ...onlyPut, laws: ['diamond'] }).laws.map(({ name }) => name)).toEqual([
      'diamond',
    ]);
    expect(() => checkMerger(lawful, { laws: ['nonsense' as never] })).toThrow('no law nonsense; there are');
    expect(() => checkMerger(lawful, { seed, path: '1:2' })).toThrow('give both');
  });

  it('a merger that refuses everything breaks nothing, and says how often', () => {
    const report = checkMerger(shelfSaga(merger<Shelf>(() => E.left(mergeRefused('ask a person')))), {
      seed,
    });
    expect(report.ok).toBe(true);
    expect(report.text).toContain('100 % refused');
  });

  it('one order that is refused and one that is answered break the diamond', () => {
    const picky = merger<Shelf>(({ current, branches }) => {
      if (branches.some(({ state }) => state.count > current.count)) return E.left(mergeRefused('too many'));
      return E.right({
        state: branches.reduce((ours, { base, state }) => addingUp(base, ours, state), current),
      });
    });
    const { problem, merged } = exampleOf(checkMerger(shelfSaga(picky), { ...onlyPut }), 'diamond');
    expect(problem).toBe(
      'The order of two merges decides about the state. One way is refused, the other answered.',
    );
    expect(merged.map(({ value }) => value)).toContain('refused: too many');
  });

  it('says that nothing was tested where no history leads to a conflict, and is not ok', () => {
    const quiet = saga({
      ...{ name: 'quiet', sends: {}, events: {}, initialState: {}, evolve: {}, onConflict: 'merge' as const },
      messages: { Look: t.type({}) },
      state: t.type({}),
      react: { Look: () => ({}) },
      merge: { states: ([first]) => first },
    });
    const report = checkMerger(quiet as never, { seed, runs: 20 });
    expect(report.ok).toBe(false);
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['untested']));
    expect(report.text).toContain('was not asked: no history led to a conflict');
  });

  it('refuses a saga without a merger, an arbitrary of nothing, and one that does not fit its codec', () => {
    const retrying = { ...lawful, merger: undefined, onConflict: 'retry' as const };
    expect(() => checkMerger(retrying)).toThrow('saga shelf has no merger, it answers a conflict by retry');
    expect(() => checkMerger(lawful, { arbitraries: { Ad: fc.nat() } })).toThrow('shelf has no messages Ad');
    expect(() => checkMerger(lawful, { seed, arbitraries: { Add: fc.constant({ by: 'one' }) } })).toThrow(
      'the arbitrary of Add gives what its codec refuses: Add: $.by: expected number, found "one"',
    );
  });

  it('names the message whose data cannot be derived', () => {
    const moment = new t.Type<Date, string>('Moment', (_): _ is Date => true, t.failure, String);
    const odd = { ...lawful, messages: { ...lawful.messages, At: t.type({ when: moment }) } };
    try {
      checkMerger(odd);
      throw new Error('it did not throw');
    } catch (error) {
      expect(taggedOf(error)).toMatchObject({ _tag: 'ArbitraryMissing', codec: 'Moment', path: 'At.when' });
    }
  });

  it('assertMerger throws the report, or nothing', () => {
    expect(() => assertMerger(lawful, onlyPut)).not.toThrow();
    expect(() => assertMerger(shelfSaga(naive['a branch is ignored'] as never), { seed })).toThrow(
      /^The merger of shelf breaks 1 of 8 laws \(seed 42\)\.\n/,
    );
  });
});
