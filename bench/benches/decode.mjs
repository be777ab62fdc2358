// What it costs to decode an event, without any database.
import * as t from 'io-ts';
import { decodeTagged } from 'watersmeet';
import { addTo, dataOf, initialTotal } from '../lib/events.mjs';
import { measureCase } from '../lib/harness.mjs';

export const name = 'decode';
export const title = 'Decoding an event';
export const about =
  'One event of about 300 bytes, out of eleven types. By its type through decodeTagged, by a plain union of io-ts, which tries one after another, and not at all. Microseconds an event, less is better.';
export const commits = ['disk'];

const order = t.type({
  ...{ orderId: t.string, customer: t.string, currency: t.string, amount: t.number },
  ...{ note: t.string, items: t.array(t.number) },
});
const types = Array.from({ length: 11 }, (_, index) => `Order${index}`);
const definitions = Object.fromEntries(types.map((type) => [type, order]));
const union = t.union(types.map((type) => t.type({ type: t.literal(type), data: order })));

const texts = types.map((type, index) => JSON.stringify({ type, schemaVersion: 1, data: dataOf(index) }));

const loops = {
  'JSON.parse alone': (text) => JSON.parse(text).data,
  'watersmeet, by its type': (text) => {
    const decoded = decodeTagged(definitions, JSON.parse(text));
    if (decoded._tag === 'Left') throw new Error(decoded.left.message);
    return decoded.right.data;
  },
  'io-ts, a union of all': (text) => {
    const decoded = union.decode(JSON.parse(text));
    if (decoded._tag === 'Left') throw new Error('refused');
    return decoded.right.data;
  },
};

const subjectOf = (label, count) => ({
  name: label,
  run: async () => {
    const from = performance.now();
    let state = initialTotal();
    for (let index = 0; index < count; index += 1)
      state = addTo(state, loops[label](texts[index % texts.length]));
    if (state.orders !== count) throw new Error(`${state.orders} of ${count} were folded`);
    return { value: ((performance.now() - from) * 1_000) / count };
  },
});

export const run = ({ commit, rounds, say, isQuick }) =>
  measureCase({
    ...{ bench: name, commit, name: 'parse, decode, fold', unit: 'µs', lessIsBetter: true, rounds, say },
    subjects: Object.keys(loops).map((label) => subjectOf(label, isQuick ? 2_000 : 100_000)),
  });
