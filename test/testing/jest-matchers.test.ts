/** The matchers of `watersmeet/jest`: each passes, fails with its message, and is turned round by `.not`. */
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { memoryStore, mergeRefused, merger, type RecordedEvent, sagaRuntime, toPromise } from 'watersmeet';
import { matchers } from 'watersmeet/jest';
import { exploreInterleavings } from '../../src/testing/interleavings/interleavings.js';
import { scenario } from '../../src/testing/scenario/scenario.js';
import { account } from '../support/account.js';
import { basketSaga, emptyBasket, message } from '../support/basket.js';

const basket = basketSaga({ compensateTold: true });
const refusing = basketSaga({ merge: merger(() => E.left(mergeRefused('cannot', ['$.count']))) });
const forgetful = basketSaga({
  merge: merger(({ branches }) => E.right({ state: branches[0].state })),
});
const add = (by: number) => ({ type: 'Add', data: { by } }) as const;
const tell = (text: string) => ({ type: 'Tell', data: { text, once: true } }) as const;
const opened = (owner: string) => ({ type: 'Opened', data: { owner } }) as const;
const deposited = (amount: number) => ({ type: 'Deposited', data: { amount } }) as const;

const straight = scenario(basket).when(add(1));
const merged = scenario(basket).concurrently(add(1), add(2));
const waiting = scenario(refusing).concurrently(add(1), add(2));
const told = scenario(basket).concurrently(tell('one'), add(2));

/** A stream in a store, with a branch that was merged. */
const stored = async () => {
  const store = memoryStore();
  const runtime = sagaRuntime(basket, { store });
  await Promise.all([add(1), add(2)].map((one) => toPromise(runtime.handle(message(one.type, one.data)))));
  return { store, runtime, streamName: runtime.streamNameOf('b') };
};

const messageOf = async (test: () => unknown): Promise<string> => {
  try {
    await test();
  } catch (error) {
    return stripVTControlCharacters((error as Error).message);
  }
  throw new Error('the matcher did not fail');
};

describe('toHaveAppended', () => {
  const when = scenario(account).when({ type: 'Open', data: { owner: 'Ada' } });

  it('compares the events of an outcome', async () => {
    expect(when).toHaveAppended([opened('Ada')]);
    expect(when.outcome).toHaveAppended([opened(expect.any(String) as never)]);
    expect(when.outcome).not.toHaveAppended([opened('Bob')]);
    await expect(straight).toHaveAppended([{ type: 'Added', data: { by: 1 } }]);
    expect(await messageOf(() => expect(when).toHaveAppended([opened('Bob')]))).toMatchInlineSnapshot(`
"expect(received).toHaveAppended(expected)

- Expected  - 1
+ Received  + 1

  Array [
    Object {
      "data": Object {
-       "owner": "Bob",
+       "owner": "Ada",
      },
      "type": "Opened",
    },
  ]"
`);
    expect(await messageOf(() => expect(when).not.toHaveAppended([opened('Ada')]))).toMatchInlineSnapshot(`
"expect(received).not.toHaveAppended(expected)

Expected: not [{"data": {"owner": "Ada"}, "type": "Opened"}]"
`);
  });

  it('says that a command was rejected', async () => {
    const rejected = scenario(account).when({ type: 'Deposit', data: { amount: 1 } });
    expect(rejected).not.toHaveAppended([]);
    expect(await messageOf(() => expect(rejected).toHaveAppended([deposited(1)]))).toMatchInlineSnapshot(`
"expect(received).toHaveAppended()

The command was rejected: {"_tag": "NotOpen"}"
`);
  });

  it('compares the end of a stream in a store, or all after a version', async () => {
    const { store, streamName } = await stored();
    await expect({ store, streamName }).toHaveAppended(['SagaMerged']);
    await expect({ store, streamName }).toHaveAppended(['Added', 'SagaMerged'], { after: 2 });
    await expect({ store, streamName }).not.toHaveAppended(['SagaMerged'], { after: 2 });
    await expect({ store, streamName: 'basket-none' }).toHaveAppended([]);
    expect(
      await messageOf(() => expect({ store, streamName }).toHaveAppended(['SagaMerged'], { after: 2 })),
    ).toMatchInlineSnapshot(`
"expect(received).toHaveAppended(expected)

- Expected  - 0
+ Received  + 1

  Array [
+   "Added",
    "SagaMerged",
  ]

0 . no events yet
  |\\
1 * | Added {"by":1}
2 | o MergeSagaState m2 from 0: Added {"by":2}
  |/
3 * Added {"by":2}  (from the branch at 2)
4 M SagaMerged 1 branch, 1 accepted"
`);
  });
});

describe('toMatchStream', () => {
  it('compares types, and of each event as much as is named', async () => {
    const { stream } = await merged.run();
    expect(stream).toMatchStream([
      { type: 'Added', data: { by: 1 } },
      { type: 'MergeSagaState', data: expect.objectContaining({ base: 0 }) },
      { type: 'Added', metadata: expect.objectContaining({ causationId: 'm2' }) },
      'SagaMerged',
    ]);
    expect(stream).not.toMatchStream(['Added']);
    expect(await messageOf(() => expect(stream).toMatchStream(['Added']))).toMatchInlineSnapshot(`
"expect(received).toMatchStream(expected)

- Expected  - 0
+ Received  + 8

  Array [
    "Added",
+   "MergeSagaState",
+   Object {
+     "data": Object {
+       "by": 2,
+     },
+     "type": "Added",
+   },
+   "SagaMerged",
  ]

0 . no events yet
  |\\
1 * | Added {"by":1}
2 | o MergeSagaState m2 from 0: Added {"by":2}
  |/
3 * Added {"by":2}  (from the branch at 2)
4 M SagaMerged 1 branch, 1 accepted"
`);
    expect(
      await messageOf(() => expect([]).toMatchStream([{ type: 'Added', data: { by: 1 } }])),
    ).toMatchInlineSnapshot(`
"expect(received).toMatchStream(expected)

- Expected  - 8
+ Received  + 1

- Array [
-   Object {
-     "data": Object {
-       "by": 1,
-     },
-     "type": "Added",
-   },
- ]
+ Array []"
`);
    expect(
      await messageOf(() => expect(stream.slice(0, 1)).not.toMatchStream(['Added'])),
    ).toMatchInlineSnapshot(`
"expect(received).not.toMatchStream(expected)

Expected: not ["Added"]"
`);
  });
});

describe('toHaveDiverged', () => {
  it('finds branches in an outcome, a stream, a store, a view', async () => {
    const { store, runtime, streamName } = await stored();
    await expect(merged).toHaveDiverged();
    await expect(straight).not.toHaveDiverged();
    await expect({ store, streamName }).toHaveDiverged({ merged: 1, pending: 0 });
    expect(await waiting.run()).toHaveDiverged({ pending: 1 });
    expect((await merged.run()).stream).toHaveDiverged();
    expect(await toPromise(runtime.load('b'))).not.toHaveDiverged();
  });

  it('says what it found', async () => {
    expect(await messageOf(() => expect(straight).toHaveDiverged())).toMatchInlineSnapshot(`
"expect(received).toHaveDiverged()

Expected a branch, found none: every message was handled on the trunk."
`);
    expect(await messageOf(() => expect(merged).not.toHaveDiverged())).toMatchInlineSnapshot(`
"expect(received).not.toHaveDiverged()

Expected no branch, found 1 merged and 0 that wait.

0 . no events yet
  |\\
1 * | Added {"by":1}
2 | o MergeSagaState m2 from 0: Added {"by":2}
  |/
3 * Added {"by":2}  (from the branch at 2)
4 M SagaMerged 1 branch, 1 accepted"
`);
    expect(await messageOf(() => expect(merged).toHaveDiverged({ merged: 2 }))).toMatchInlineSnapshot(`
"expect(received).toHaveDiverged(expected)

- Expected  - 1
+ Received  + 1

  Object {
-   "merged": 2,
+   "merged": 1,
  }

0 . no events yet
  |\\
1 * | Added {"by":1}
2 | o MergeSagaState m2 from 0: Added {"by":2}
  |/
3 * Added {"by":2}  (from the branch at 2)
4 M SagaMerged 1 branch, 1 accepted"
`);
  });

  it('does not look at what is none of these, with `.not` neither', async () => {
    expect(await messageOf(() => expect(5).not.toHaveDiverged())).toMatchInlineSnapshot(`
"expect(received).not.toHaveDiverged()

The received value must be the outcome of a saga’s scenario, or the events of a stream (as an array, or as { store, streamName }), or a saga as its runtime loads it.
Received: 5"
`);
  });
});

describe('toHaveMergedInto', () => {
  const state = { ...emptyBasket, count: 3, highest: 2 };

  it('compares the state after the merge', async () => {
    const { store, streamName } = await stored();
    await expect(merged).toHaveMergedInto(state);
    await expect({ store, streamName }).toHaveMergedInto(expect.objectContaining({ count: 3 }));
    await expect(merged).not.toHaveMergedInto(emptyBasket);
    await expect(straight).not.toHaveMergedInto({ ...emptyBasket, count: 1, highest: 1 });
    await expect(waiting).not.toHaveMergedInto({ ...emptyBasket, count: 1, highest: 1 });
  });

  it('says what is different, or why there is no merge', async () => {
    expect(
      await messageOf(() => expect(merged).toHaveMergedInto({ ...state, count: 4 })),
    ).toMatchInlineSnapshot(`
"expect(received).toHaveMergedInto(expected)

- Expected  - 1
+ Received  + 1

  Object {
-   "count": 4,
+   "count": 3,
    "highest": 2,
    "items": Object {},
    "prices": Object {},
  }

0 . no events yet
  |\\
1 * | Added {"by":1}
2 | o MergeSagaState m2 from 0: Added {"by":2}
  |/
3 * Added {"by":2}  (from the branch at 2)
4 M SagaMerged 1 branch, 1 accepted"
`);
    expect(await messageOf(() => expect(merged).not.toHaveMergedInto(state))).toMatchInlineSnapshot(`
"expect(received).not.toHaveMergedInto(expected)

Expected: not {"count": 3, "highest": 2, "items": {}, "prices": {}}

0 . no events yet
  |\\
1 * | Added {"by":1}
2 | o MergeSagaState m2 from 0: Added {"by":2}
  |/
3 * Added {"by":2}  (from the branch at 2)
4 M SagaMerged 1 branch, 1 accepted"
`);
    expect(await messageOf(() => expect(straight).toHaveMergedInto(state))).toMatchInlineSnapshot(`
"expect(received).toHaveMergedInto()

Nothing diverged, so nothing was merged."
`);
    expect(await messageOf(() => expect(waiting).toHaveMergedInto(state))).toMatchInlineSnapshot(`
"expect(received).toHaveMergedInto()

Not merged: 1 branch waits, refused: cannot.

0 . no events yet
  |\\
1 * | Added {"by":1}
2 | o MergeSagaState m2 from 0: Added {"by":2} (refused, waits)
3 ! | SagaMergeRefused: cannot ($.count)"
`);
  });
});

describe('toCompensate', () => {
  it('compares hooks, and as much of each compensation as is named', async () => {
    const outcome = await told.run();
    expect(outcome).toCompensate([{ hook: 'undo', data: { text: 'one', branches: 1 }, fate: 'applied' }]);
    expect(outcome.stream).toCompensate([{ hook: 'undo' }]);
    await expect(merged).toCompensate([]);
    await expect(merged).not.toCompensate([{ hook: 'undo' }]);
    expect(await messageOf(() => expect(told).toCompensate([]))).toMatchInlineSnapshot(`
"expect(received).toCompensate(expected)

- Expected  - 1
+ Received  + 9

- Array []
+ Array [
+   Object {
+     "data": Object {
+       "branches": 1,
+       "text": "one",
+     },
+     "hook": "undo",
+   },
+ ]

0 . no events yet
  |\\
1 * | Told {"text":"one"}  => Notice {"text":"one"}
2 | o MergeSagaState m2 from 0: Added {"by":2}
  |/
3 * Added {"by":2}  (from the branch at 2)
4 M SagaMerged 1 branch, 1 accepted, compensate: undo
5 C CompensationApplied undo  => Undo {"text":"one"}"
`);
    expect(await messageOf(() => expect(told).not.toCompensate([{ hook: 'undo' }]))).toMatchInlineSnapshot(`
"expect(received).not.toCompensate(expected)

Expected: not [{"hook": "undo"}]

0 . no events yet
  |\\
1 * | Told {"text":"one"}  => Notice {"text":"one"}
2 | o MergeSagaState m2 from 0: Added {"by":2}
  |/
3 * Added {"by":2}  (from the branch at 2)
4 M SagaMerged 1 branch, 1 accepted, compensate: undo
5 C CompensationApplied undo  => Undo {"text":"one"}"
`);
  });
});

describe('toCommute', () => {
  it('folds in both orders, over each state', async () => {
    expect(account).toCommute(deposited(1), deposited(2));
    expect(basketSaga()).toCommute({ type: 'Added', data: { by: 1 } }, { type: 'Added', data: { by: 2 } });
    expect(account).not.toCommute(opened('Ada'), opened('Bob'));
    const over = [account.initialState, { open: true, owner: 'Ada', balance: 5 }];
    expect(
      await messageOf(() => expect(account).toCommute(opened('Ada'), opened('Bob'), { over })),
    ).toMatchInlineSnapshot(`
"expect(received).toCommute(expected)

- Expected  - 1
+ Received  + 1

  Object {
    "state": Object {
      "balance": 0,
      "open": true,
-     "owner": "Bob",
+     "owner": "Ada",
    },
  }

Expected: Opened {"owner":"Ada"}, then Opened {"owner":"Bob"}
Received: the other way round
Both over {"balance": 0, "open": false, "owner": ""}"
`);
    expect(
      await messageOf(() => expect(account).not.toCommute(deposited(1), deposited(2), { over })),
    ).toMatchInlineSnapshot(`
"expect(received).not.toCommute()

Expected Deposited {"amount":1} and Deposited {"amount":2} not to commute, but both orders come to the same over each of the 2 given states."
`);
  });

  it('an order that throws does not commute with one that does not; two that throw tell nothing', async () => {
    const strict = {
      initialState: 0,
      evolve: (state: number, { type }: { type: string; data: unknown }): number => {
        if (type === 'Open' ? state > 0 : state === 0) throw new Error(`no ${type} at ${state}`);
        return state + 1;
      },
    };
    const [open, use] = [
      { type: 'Open', data: {} },
      { type: 'Use', data: {} },
    ];
    expect(strict).not.toCommute(open, use);
    expect(await messageOf(() => expect(strict).toCommute(use, use))).toMatchInlineSnapshot(`
"expect(received).toCommute()

Both orders throw: no Use at 0

Expected: Use, then Use
Received: the other way round
Both over 0"
`);
    expect(await messageOf(() => expect('neither').toCommute(open, use))).toMatchInlineSnapshot(`
"expect(received).toCommute()

The received value must be an aggregate or a saga.
Received: "neither""
`);
  });
});

describe('toConverge', () => {
  it('explores all schedules of a saga and messages, or looks at what was explored', async () => {
    await expect([basketSaga(), [add(1), add(2)]]).toConverge();
    await expect([forgetful, [add(1), add(2)]]).not.toConverge();
    const messages = [message('Add', { by: 1 }, 'm1'), message('Add', { by: 2 }, 'm2')];
    expect(await exploreInterleavings(basketSaga(), messages)).toConverge();
  });

  it('prints the smallest schedule that fails', async () => {
    const failure = await messageOf(() => expect([forgetful, [add(1), add(2)]]).toConverge());
    expect(failure).toContain('The smallest schedule that fails');
    expect(failure).toContain('MergeSagaState m2 from 0');
    expect(
      await messageOf(() => expect([basketSaga(), [add(1), add(2)]]).not.toConverge()),
    ).toMatchInlineSnapshot(`
"expect(received).not.toConverge()

Expected them not to converge, but all 6 schedules of the messages come to the same end."
`);
    expect(await messageOf(() => expect(5).toConverge())).toMatchInlineSnapshot(`
"expect(received).toConverge()

The received value must be [saga, messages], or the result of exploreInterleavings.
Received: 5"
`);
  });
});

describe('watersmeet/jest', () => {
  it('registers its matchers, and gives them for other places', () => {
    expect(Object.keys(matchers).sort()).toMatchInlineSnapshot(`
[
  "toCommute",
  "toCompensate",
  "toConverge",
  "toHaveAppended",
  "toHaveDiverged",
  "toHaveMergedInto",
  "toMatchStream",
]
`);
  });

  it('prints streams in snapshots, the same on every run', async () => {
    const { stream } = await scenario(basket)
      .given([{ type: 'Added', data: { by: 1 } }])
      .concurrently(tell('one'), tell('two'), { type: 'Finish', data: {} })
      .run();
    expect(stream).toMatchInlineSnapshot(`
stream basket-scenario
1 Added {"by":1}
2 Told {"text":"one"}  <- m1  => message-1 Notice {"text":"one"}
3 MergeSagaState  <- m2
    {
      "base": 1,
      "baseHash": "hash-1",
      "branchId": "branch-1",
      "cause": {"data":{"once":true,"text":"two"},"messageId":"m2","schemaVersion":1,"type":"Tell"},
      "completes": false,
      "epoch": 1,
      "events": [{"data":{"text":"two"},"schemaVersion":1,"type":"Told"}],
      "messages": [{"data":{"text":"two"},"id":"message-2","key":"notice","schemaVersion":1,"type":"Notice"}]
    }
4 MergeSagaState  <- m3
    {
      "base": 1,
      "baseHash": "hash-1",
      "branchId": "branch-2",
      "cause": {"data":{},"messageId":"m3","schemaVersion":1,"type":"Finish"},
      "completes": true,
      "epoch": 1,
      "events": [],
      "messages": [{"data":{"count":1},"id":"message-3","key":"closed","schemaVersion":1,"type":"Closed"}]
    }
5 Told {"text":"two"}  <- m2  (branch-1)
6 SagaMerged  (merge-1)
    {
      "accepted": ["branch-1/0"],
      "added": 0,
      "compensations": [{"data":{"branches":2,"text":"one"},"hook":"undo","id":"comp:merge-1:undo:0","of":"message-1"}],
      "epoch": 1,
      "handled": ["m3","m2"],
      "inputHash": "hash-2",
      "late": "none",
      "mergeId": "merge-1",
      "mergerVersion": "1",
      "messages": [
        {"branchId":"branch-2","by":"rule","fate":"release","id":"message-3"},
        {"branchId":"branch-1","by":"its key notice has left already","fate":"cancel","id":"message-2"}
      ],
      "rejected": [],
      "resolves": ["branch-2","branch-1"],
      "rule": "record(count: counter, items: orSet, highest: max, prices: map(max))",
      "sends": [],
      "state": {"count":1,"highest":1,"items":{},"prices":{}}
    }
7 SagaCompleted {"epoch":1}  <- merge-1
8 CompensationApplied  <- merge-1
    {
      "attempt": 1,
      "compensationId": "comp:merge-1:undo:0",
      "hook": "undo",
      "mergeId": "merge-1",
      "sends": [{"data":{"text":"one"},"id":"message-4","schemaVersion":1,"type":"Undo"}]
    }
`);
    expect({ first: stream[1], rest: stream.slice(2, 4) }).toMatchInlineSnapshot(`
{
  "first": 2 Told {"text":"one"}  <- m1  => message-1 Notice {"text":"one"},
  "rest": stream basket-scenario
  3 MergeSagaState  <- m2
      {
        "base": 1,
        "baseHash": "hash-1",
        "branchId": "branch-1",
        "cause": {"data":{"once":true,"text":"two"},"messageId":"m2","schemaVersion":1,"type":"Tell"},
        "completes": false,
        "epoch": 1,
        "events": [{"data":{"text":"two"},"schemaVersion":1,"type":"Told"}],
        "messages": [{"data":{"text":"two"},"id":"message-1","key":"notice","schemaVersion":1,"type":"Notice"}]
      }
  4 MergeSagaState  <- m3
      {
        "base": 1,
        "baseHash": "hash-1",
        "branchId": "branch-2",
        "cause": {"data":{},"messageId":"m3","schemaVersion":1,"type":"Finish"},
        "completes": true,
        "epoch": 1,
        "events": [],
        "messages": [{"data":{"count":1},"id":"message-2","key":"closed","schemaVersion":1,"type":"Closed"}]
      },
}
`);
  });

  it('names ids in the order in which they appear, and keeps what else the writer said', () => {
    const event = (version: number, data: object, metadata: object): RecordedEvent =>
      ({
        eventId: '0190163d-8694-739b-aea5-966c26f8ad93',
        streamName: 'order-1',
        type: 'Placed',
        schemaVersion: 2,
        version,
        data,
        metadata,
        recordedAt: '2024-02-29T00:00:00.000Z',
      }) as unknown as RecordedEvent;
    const [a, b] = ['0190163d-8694-739b-aea5-000000000001', '0190163d-8694-739b-aea5-000000000002'];
    expect([
      event(1, { z: 1, by: b, a: `about ${a}` }, { causationId: 'request 7', actor: 'ada' }),
      event(2, {}, { correlationId: b, headers: { via: 'web' } }),
    ]).toMatchInlineSnapshot(`
stream order-1
1 Placed {"a":"about id-1","by":"id-2","z":1}  schema version 2  <- request 7  with {"actor":"ada"}
2 Placed  schema version 2  with {"correlationId":"id-2","headers":{"via":"web"}}
`);
  });
});
