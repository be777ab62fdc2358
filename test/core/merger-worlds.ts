/** A world for each combinator: where its state begins, and the steps that writers take in it. */
import * as fc from 'fast-check';
import type { Json } from '../../src/core/json.js';
import { json3, jsonThreeWay } from '../../src/core/merge/merge-json.js';
import { listById } from '../../src/core/merge/merge-list.js';
import {
  sequence,
  sequenceApply,
  sequenceEdit,
  sequenceEmpty,
  type SequenceItems,
  sequenceItems,
  type SequenceState,
  sequenceText,
} from '../../src/core/merge/merge-sequence.js';
import type { ThreeWay } from '../../src/core/merge/merge.js';
import {
  counter,
  flag,
  lww,
  type LwwState,
  lwwWrite,
  map,
  max,
  min,
  orSet,
  orSetAdd,
  orSetRemove,
  type OrSetState,
  ownedBy,
  ranked,
  record,
  union,
  unlessBothChanged,
} from '../../src/core/merge/mergers.js';

/** A step of a writer. `writer` is unique to the step, as a message id is; it begins with `x` or `y` on a branch. */
export type Step<A> = (state: A, writer: string) => A;

/** A state that is reached by steps. */
export interface World<A> {
  readonly rule: ThreeWay<A>;
  readonly start: A;
  readonly step: fc.Arbitrary<Step<A>>;
  /** Whether the rule may refuse. The diamond is then asked for where neither order refuses. */
  readonly refuses?: boolean;
}

const small = fc.integer({ min: -5, max: 5 });
const name = fc.constantFrom('pear', 'plum', 'fig', '__proto__', 'constructor');

const orSetStep: fc.Arbitrary<Step<OrSetState>> = fc.tuple(fc.boolean(), name).map(
  ([adds, element]) =>
    (state, writer) =>
      adds ? orSetAdd(state, element, writer) : orSetRemove(state, element),
);

const order = ['open', 'paid', 'sent'];
const isOnBranch = (writer: string): boolean => writer.startsWith('x') || writer.startsWith('y');

interface Line {
  readonly id: string;
  readonly count: number;
  readonly note: string;
}
type Lines = ReadonlyArray<Line>;

const byId = (a: Line, b: Line): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
/** Backwards, which is not what the default would do. */
const byIdDown = (a: Line, b: Line): number => byId(b, a);

/** Adds an item under an id of its own, or changes or removes one of those that are there. Lists stay in order. */
const lineStep = (
  changesNotes: boolean,
  compare: (a: Line, b: Line) => number = byId,
): fc.Arbitrary<Step<Lines>> =>
  fc
    .tuple(fc.constantFrom('add', 'count', 'note', 'remove'), fc.nat(), small)
    .map(([action, pick, by]) => (lines, writer) => {
      const index = lines.length === 0 ? -1 : pick % lines.length;
      if (action === 'add' || index < 0) return [...lines, { id: writer, count: by, note: '' }].sort(compare);
      if (action === 'remove') return lines.filter((_, at) => at !== index);
      const change = (line: Line): Line =>
        action === 'note' && changesNotes ? { ...line, note: writer } : { ...line, count: line.count + by };
      return lines.map((line, at) => (at === index ? change(line) : line));
    });

const lineRule = record<Line>({
  id: unlessBothChanged(),
  count: counter,
  note: unlessBothChanged(),
});

/** Sets or removes a part of a document, at most three keys deep. What is set is unique to the writer. */
const documentStep: fc.Arbitrary<Step<Json>> = fc
  .tuple(
    fc.array(fc.constantFrom('a', 'b', 'constructor'), { minLength: 1, maxLength: 3 }),
    fc.constantFrom('value', 'value', 'object', 'list', 'remove'),
  )
  .map(([path, action]) => (document, writer) => {
    const changed = (part: Json | undefined, at: number): Json | undefined => {
      if (at === path.length) {
        if (action === 'remove') return undefined;
        return action === 'value'
          ? writer
          : action === 'list'
            ? [writer]
            : { a: `${writer} a`, b: `${writer} b` };
      }
      const entries =
        typeof part === 'object' && part !== null && !Array.isArray(part) ? Object.entries(part) : undefined;
      // A path that leads through something else than an object leads nowhere.
      if (entries === undefined) return part;
      const key = path[at] as string;
      const inside = changed(entries.find(([name]) => name === key)?.[1] as Json | undefined, at + 1);
      const others = entries.filter(([name]) => name !== key);
      return Object.fromEntries(inside === undefined ? others : [...others, [key, inside]]) as Json;
    };
    return changed(document, 0) ?? {};
  });

interface Basket {
  readonly tags: ReadonlyArray<string>;
  readonly stock: Readonly<Record<string, { readonly count: number }>>;
}

const basketStep: fc.Arbitrary<Step<Basket>> = fc
  .tuple(fc.boolean(), fc.constantFrom('a', 'b'), small)
  .map(([tags, key, by]) => (state, writer) => {
    const count = state.stock[key]?.count ?? 0;
    return tags
      ? { ...state, tags: [...state.tags, writer].sort() }
      : { ...state, stock: { ...state.stock, [key]: { count: count + by } } };
  });

/** Edits somewhere in the sequence, whatever its length. */
const sequenceStep = <I extends SequenceItems>(
  lengthOf: (state: SequenceState<I>) => number,
  itemsOf: (writer: string, count: number) => I,
): fc.Arbitrary<Step<SequenceState<I>>> =>
  fc
    .array(fc.tuple(fc.nat(), fc.nat({ max: 2 }), fc.nat({ max: 3 })), { minLength: 1, maxLength: 3 })
    .map((edits) => (state, writer) => {
      let now = state;
      for (const [place, removed, inserted] of edits) {
        const at = place % (lengthOf(now) + 1);
        const remove = Math.min(removed, lengthOf(now) - at);
        const change = sequenceEdit(now, writer, [{ at, remove, insert: itemsOf(writer, inserted) }]);
        now = sequenceApply(now, change);
      }
      return now;
    });

const world = <A>(value: World<A>): World<unknown> => value as unknown as World<unknown>;

export const worlds: ReadonlyArray<readonly [string, World<unknown>]> = [
  ['counter', world<number>({ rule: counter, start: 7, step: small.map((by) => (state) => state + by) })],
  ['max', world<number>({ rule: max, start: 0, step: small.map((to) => (state) => Math.max(state, to)) })],
  ['min', world<number>({ rule: min, start: 0, step: small.map((to) => (state) => Math.min(state, to)) })],
  [
    'flag',
    world<boolean>({ rule: flag, start: false, step: fc.boolean().map((up) => (state) => state || up) }),
  ],
  [
    'union',
    world<ReadonlyArray<string>>({
      rule: union<string>(),
      start: ['fig'],
      step: name.map(
        (element) => (state) =>
          [...new Set([...state, element])].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
      ),
    }),
  ],
  ['orSet', world({ rule: orSet, start: {}, step: orSetStep })],
  [
    'lww',
    world<LwwState<string>>({
      rule: lww<string>(),
      start: { value: '', tag: [0, ''] as const },
      step: name.map((value) => (state, writer) => lwwWrite(state, value, writer)),
    }),
  ],
  [
    'ranked',
    world<string>({
      rule: ranked(order),
      start: 'open',
      step: fc
        .constantFrom(...order)
        .map((to) => (state) => (order.indexOf(to) > order.indexOf(state) ? to : state)),
    }),
  ],
  [
    'ownedBy the trunk',
    world<string>({
      rule: ownedBy<string>('trunk'),
      start: '',
      step: name.map((value) => (state, writer) => (isOnBranch(writer) ? state : value)),
    }),
  ],
  [
    'ownedBy the branch, of which one writes',
    world<string>({
      rule: ownedBy<string>('branch'),
      start: '',
      step: name.map((value) => (state, writer) => (writer.startsWith('x') ? value : state)),
    }),
  ],
  [
    'unlessBothChanged',
    world<string>({
      rule: unlessBothChanged<string>(),
      start: '',
      step: fc.boolean().map((writes) => (state, writer) => (writes ? writer : state)),
      refuses: true,
    }),
  ],
  [
    'map of counters',
    world<Readonly<Record<string, number>>>({
      rule: map(counter, 0),
      start: {},
      step: fc.tuple(fc.constantFrom('a', 'b', 'constructor'), small).map(
        ([key, by]) =>
          (state) =>
            Object.fromEntries(
              Object.entries({
                ...state,
                [key]: (Object.hasOwn(state, key) ? (state[key] ?? 0) : 0) + by,
              }).filter(([, value]) => value !== 0),
            ),
      ),
    }),
  ],
  [
    'record',
    world<{ n: number; items: OrSetState }>({
      rule: record<{ n: number; items: OrSetState }>({ n: counter, items: orSet }),
      start: { n: 1, items: {} },
      step: fc.tuple(small, orSetStep).map(([by, change]) => (state, writer) => ({
        n: state.n + by,
        items: change(state.items, writer),
      })),
    }),
  ],
  [
    'listById that removes',
    world<Lines>({
      rule: listById(
        'id',
        record<Line>({ id: unlessBothChanged(), count: counter, note: ownedBy('trunk') }),
        {
          removedAndChanged: 'remove',
        },
      ),
      start: [{ id: '0', count: 1, note: '' }],
      step: lineStep(false),
    }),
  ],
  [
    'listById in an order of its own',
    world<Lines>({
      rule: listById(
        (line: Line) => line.id,
        record<Line>({ id: unlessBothChanged(), count: counter, note: ownedBy('trunk') }),
        {
          removedAndChanged: 'remove',
          order: byIdDown,
        },
      ),
      start: [],
      step: lineStep(false, byIdDown),
    }),
  ],
  [
    'listById that refuses',
    world<Lines>({
      rule: listById('id', lineRule),
      start: [{ id: '0', count: 1, note: '' }],
      step: lineStep(true),
      refuses: true,
    }),
  ],
  ['json3', world({ rule: json3, start: { a: {}, b: { a: 1 } }, step: documentStep, refuses: true })],
  [
    'jsonThreeWay with rules',
    world<Basket>({
      rule: jsonThreeWay({
        rules: { '$.tags': union(), '$.stock.*.count': counter },
      }) as unknown as ThreeWay<Basket>,
      start: { tags: ['one'], stock: { a: { count: 1 }, b: { count: 0 } } },
      step: basketStep,
    }),
  ],
  [
    'sequence of characters',
    world<SequenceState>({
      rule: sequence(),
      start: sequenceApply(
        sequenceEmpty,
        sequenceEdit(sequenceEmpty as SequenceState, 'start', [{ at: 0, insert: 'text' }]),
      ),
      step: sequenceStep(
        (state) => sequenceText(state).length,
        (writer, count) => writer.repeat(count),
      ),
    }),
  ],
  [
    'sequence of items',
    world<SequenceState<ReadonlyArray<Json>>>({
      rule: sequence<ReadonlyArray<Json>>(),
      start: sequenceEmpty,
      step: sequenceStep(
        (state) => sequenceItems(state).length,
        (writer, count) => Array.from({ length: count }, (_, index) => ({ writer, index })),
      ),
    }),
  ],
];
