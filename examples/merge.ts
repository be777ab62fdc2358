/** One merge: two messages of one saga at the same moment, and the stream that they leave. */
import * as t from 'io-ts';
import { counter, memoryStore, record, saga, sagaRuntime, toPromise } from 'watersmeet';

const tally = saga({
  name: 'tally',
  messages: { Add: t.type({ by: t.number }) },
  sends: {},
  events: { Added: t.type({ by: t.number }) },
  state: t.type({ count: t.number }),
  initialState: { count: 0 },
  evolve: { Added: (state, { by }) => ({ count: state.count + by }) },
  react: { Add: (_state, { by }) => ({ events: [{ type: 'Added', data: { by } }] }) },
  onConflict: 'merge',
  merge: { threeWay: record({ count: counter }) },
});

const store = memoryStore();
const runtime = sagaRuntime(tally, { store });
const add = (id: string, by: number) =>
  toPromise(runtime.handle({ id, sagaId: '7', type: 'Add', data: { by } }));

await add('m1', 10);
const both = await Promise.all([add('m2', 1), add('m3', 2)]);
console.log(both.map(({ _tag }) => _tag)); // => [ 'Appended', 'Merged' ]
console.log((await toPromise(runtime.load('7'))).state); // => { count: 13 }

const stream = await toPromise(store.readStream({ streamName: runtime.streamNameOf('7') }));
for (const { version, type, metadata } of stream.events) console.log(version, type, metadata.causationId);
// => 1 Added m1
// => 2 Added m2
// => 3 MergeSagaState m3
// => 4 Added m3
// => 5 SagaMerged 42c40f75-8d95-588f-a329-cc48591ab13d
