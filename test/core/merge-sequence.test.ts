/** The sequence that many write at once: positions, the table of its docstring, convergence, and runs that stay whole. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import { canonicalJson, type Json } from '../../src/core/json.js';
import {
  ListSequence,
  sequence,
  sequenceApply,
  sequenceDelete,
  sequenceEdit,
  sequenceEmpty,
  sequenceInsert,
  sequenceItems,
  type SequenceState,
  sequenceText,
  TextSequence,
} from '../../src/core/merge/merge-sequence.js';

const empty: SequenceState = sequenceEmpty;
const textOf = (text: string): SequenceState => sequenceApply(empty, sequenceInsert(empty, 0, text, 'start'));
const insert = (state: SequenceState, at: number, items: string, writer: string): SequenceState =>
  sequenceApply(state, sequenceInsert(state, at, items, writer));
const remove = (state: SequenceState, at: number, count = 1): SequenceState =>
  sequenceApply(state, sequenceDelete(state, at, count));
const mergedText = (base: SequenceState, ours: SequenceState, theirs: SequenceState): string => {
  const merged = sequence().merge(base, ours, theirs);
  return E.isRight(merged) ? sequenceText(merged.right) : 'refused';
};

const canonical = (state: SequenceState): string => canonicalJson(state as unknown as Json);

/** Edits of any kind: a place, how much is removed, what is inserted. */
const edits = fc.array(
  fc.tuple(fc.nat(), fc.nat({ max: 3 }), fc.string({ maxLength: 4, unit: 'grapheme-ascii' })),
  {
    minLength: 1,
    maxLength: 6,
  },
);
type Edits = ReadonlyArray<readonly [place: number, removed: number, inserted: string]>;

const fitted = (length: number, [place, removed, items]: Edits[number]) => {
  const at = place % (length + 1);
  return { at, remove: Math.min(removed, length - at), insert: items };
};

/** Each edit is one change. */
const changesOf = (from: SequenceState, todo: Edits, writer: string): ReadonlyArray<SequenceState> => {
  let state = from;
  return todo.map((edit) => {
    const change = sequenceEdit(state, writer, [fitted(sequenceText(state).length, edit)]);
    state = sequenceApply(state, change);
    return change;
  });
};

const applyAll = (from: SequenceState, changes: ReadonlyArray<SequenceState>): SequenceState =>
  changes.reduce((state, change) => sequenceApply(state, change), from);

describe('sequence', () => {
  it('keeps what both sides inserted, and leaves out what either removed', () => {
    const base = textOf('the cat sat');
    const ours = insert(base, 4, 'black ', 'ann');
    const theirs = insert(remove(base, 7, 4), 7, ' ran', 'bob');
    expect(mergedText(base, ours, theirs)).toBe('the black cat ran');
  });

  it('lets an insertion stand whose surroundings the other side removed', () => {
    const base = textOf('abcdef');
    expect(mergedText(base, insert(base, 3, 'X', 'ann'), remove(base, 1, 4))).toBe('aXf');
    expect(mergedText(base, remove(base, 0, 6), insert(base, 3, 'X', 'ann'))).toBe('X');
  });

  it('edits by position as a string would be, in one change or in many', () => {
    fc.assert(
      fc.property(edits, edits, (before, after) => {
        const state = applyAll(empty, changesOf(empty, before, 'a'));
        let text = sequenceText(state);
        const fit = after.map((edit) => {
          const { at, remove: removed, insert: items } = fitted(text.length, edit);
          text = text.slice(0, at) + items + text.slice(at + removed);
          return { at, remove: removed, insert: items };
        });
        const change = sequenceEdit(state, 'b', fit);
        expect(sequenceText(sequenceApply(state, change))).toBe(text);
        const stepwise = fit.reduce((now, edit) => sequenceApply(now, sequenceEdit(now, 'b', [edit])), state);
        expect(sequenceText(stepwise)).toBe(text);
        // Nobody else was there, so it makes no difference in how many changes it was said.
        expect(canonical(stepwise)).toBe(canonical(sequenceApply(state, change)));
      }),
      { numRuns: 300 },
    );
  });

  it('comes to one state in whatever order changes arrive, twice or before what they hang on', () => {
    fc.assert(
      fc.property(edits, edits, edits, fc.infiniteStream(fc.nat()), (first, left, right, dice) => {
        const start = changesOf(empty, first, 'a');
        const base = applyAll(empty, start);
        const all = [...start, ...changesOf(base, left, 'b'), ...changesOf(base, right, 'c')];
        const shuffled = [...all, ...all]
          .map((change) => ({ change, place: dice.next().value as number }))
          .sort((a, b) => a.place - b.place)
          .map(({ change }) => change);
        const inOrder = applyAll(empty, all);
        expect(canonical(applyAll(empty, shuffled))).toBe(canonical(inOrder));
        expect(sequenceText(applyAll(empty, shuffled))).toBe(sequenceText(inOrder));
      }),
      { numRuns: 300 },
    );
  });

  it('never mixes what two people typed at one place, forwards or backwards', () => {
    const typed = (from: SequenceState, at: number, word: string, isBackwards: boolean): SequenceState =>
      [...word].reduce(
        (state, _, index) =>
          isBackwards
            ? insert(state, at, word[word.length - 1 - index] as string, word)
            : insert(state, at + index, word[index] as string, word),
        from,
      );
    fc.assert(
      fc.property(edits, fc.nat(), fc.boolean(), fc.boolean(), (before, place, ann, bob) => {
        const base = applyAll(empty, changesOf(empty, before, 'a'));
        const at = place % (sequenceText(base).length + 1);
        const text = mergedText(base, typed(base, at, 'ÄNNE', ann), typed(base, at, 'ßøþð', bob));
        expect(text).toContain('ÄNNE');
        expect(text).toContain('ßøþð');
      }),
      { numRuns: 200 },
    );
  });

  it('shows a change that came before what it hangs on as soon as that comes', () => {
    const first = sequenceInsert(empty, 0, 'ab', 'ann');
    const second = sequenceInsert(sequenceApply(empty, first), 1, 'X', 'bob');
    const early = sequenceApply(empty, second);
    expect(sequenceText(early)).toBe('');
    expect(sequenceText(sequenceApply(early, first))).toBe('aXb');
  });

  it('stores what somebody types as one run, and what is removed as ranges', () => {
    let state = textOf('');
    for (const [at, character] of [...'hello'].entries()) state = insert(state, at, character, 'ann');
    state = insert(remove(state, 1, 2), 0, '>', 'bob');
    expect(state).toEqual({
      runs: { ann: ['0', 'hello'], bob: ['0<0@ann', '>'] },
      removed: { ann: [1, 3] },
    });
    expect(sequenceText(state)).toBe('>hlo');
  });

  it('takes any name for a writer', () => {
    for (const writer of ['a@b', '3>4@c', 'constructor', '']) {
      const state = insert(insert(insert(empty, 0, 'ac', writer), 1, 'b', 'other'), 3, 'd', writer);
      expect(sequenceText(state)).toBe('abcd');
      expect(sequenceText(insert(state, 2, '-', 'third'))).toBe('ab-cd');
    }
  });

  it('throws where a position is not in the sequence', () => {
    const text = textOf('abc');
    for (const at of [-1, 1.5, 4, NaN])
      expect(() => sequenceInsert(text, at, 'x', 'ann')).toThrow(RangeError);
    expect(() => sequenceDelete(text, 2, 2)).toThrow(RangeError);
    expect(sequenceInsert(text, 3, '', 'ann')).toEqual(sequenceEmpty);
  });

  it('reads a text as deep as it has runs', () => {
    const writers = Array.from({ length: 20_000 }, (_, index) => `w${index}`);
    const runs = writers.map((writer, index) => [writer, [index === 0 ? '0' : `0>0@w${index - 1}`, 'x']]);
    const deep = { runs: Object.fromEntries(runs) as SequenceState['runs'], removed: {} };
    expect(sequenceText(deep)).toHaveLength(writers.length);
  });

  it('holds items of a list as well as characters', () => {
    type Tasks = SequenceState<ReadonlyArray<Json>>;
    const base: Tasks = sequenceInsert<ReadonlyArray<Json>>(
      sequenceEmpty,
      0,
      [{ task: 1 }, { task: 2 }],
      'ann',
    );
    const ours = sequenceApply(base, sequenceInsert<ReadonlyArray<Json>>(base, 1, [null, 'x'], 'bob'));
    const theirs = sequenceApply(base, sequenceDelete<ReadonlyArray<Json>>(base, 1));
    const merged = sequence<ReadonlyArray<Json>>().merge(base, ours, theirs);
    expect(E.isRight(merged) && sequenceItems(merged.right)).toEqual([{ task: 1 }, null, 'x']);
    expect(ListSequence.is(ours)).toBe(true);
    expect(TextSequence.is(ours)).toBe(false);
  });

  it('is checked by its codec', () => {
    const good = remove(insert(textOf('abc'), 1, 'x', 'ann'), 0);
    expect(E.isRight(TextSequence.decode(JSON.parse(JSON.stringify(good))))).toBe(true);
    const bad = [
      null,
      [],
      {},
      { runs: {} },
      { runs: { a: 'x' }, removed: {} },
      { runs: { a: ['0'] }, removed: {} },
      { runs: { a: ['x', 'y'] }, removed: {} },
      { runs: { a: ['0>@b', 'y'] }, removed: {} },
      { runs: { a: ['0', ['y']] }, removed: {} },
      { runs: {}, removed: { a: [1] } },
      { runs: {}, removed: { a: [2, 1] } },
      { runs: {}, removed: { a: [0.5, 1] } },
    ];
    for (const value of bad) expect([value, TextSequence.is(value)]).toEqual([value, false]);
  });
});
