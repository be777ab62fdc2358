/** Contract: leases, and appends that are fenced with them. */
import * as E from 'fp-ts/lib/Either.js';
import { strict as assert } from 'node:assert';
import { any, exactly, noStream } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import { type AcquiredLease, fenceOf, type Lease, type Leases } from '../../store/leases.js';
import { handleOf, race, warmHandles } from './race.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  asWritten,
  aStream,
  events,
  numbersFrom,
  pause,
  refused,
  right,
  same,
  streamAt,
  unique,
  wholeStream,
  writesNothing,
} from './support.js';

export const leasesOf = (store: EventStore): Leases => {
  if (store.leases === undefined) return assert.fail('the store says that it keeps leases, and has none');
  return store.leases;
};

const aLease = (): string => `lease-${unique()}`;
const take = (store: EventStore, name: string, ttlMs = 60_000, holder = 'holder'): Promise<Lease> =>
  right(leasesOf(store).acquire({ name, holder, ttlMs }));

/** Asks for a lease until what is in its way has ended. */
export const untilTaken = async (ask: ReturnType<Leases['acquire']>): Promise<AcquiredLease> => {
  for (let attempt = 1; attempt <= 100; attempt += 1) {
    const taken = await ask();
    if (E.isRight(taken)) return taken.right;
    same(taken.left._tag, 'LeaseHeld');
    await pause(20);
  }
  return assert.fail('the lease in the way did not end');
};

const takeOver = (store: EventStore, name: string): Promise<Lease> =>
  untilTaken(leasesOf(store).acquire({ name, holder: 'next', ttlMs: 60_000 }));

const needs = ['leases'] as const;

const tests: ReadonlyArray<ContractTest> = [
  {
    title: 'a lease is taken once; who comes second learns who holds it and for how long at most',
    needs,
    run: async ({ store }) => {
      const name = aLease();
      same(await take(store, name, 60_000, 'first'), { name, token: 1 });
      const second = leasesOf(store).acquire({ name, holder: 'second', ttlMs: 1_000 });
      const held = await refused(second, 'LeaseHeld');
      same([held.lease, held.holder], [name, 'first']);
      assert.ok(held.expiresInMs > 0 && held.expiresInMs <= 60_000, `expires in ${held.expiresInMs} ms`);
    },
  },
  {
    title: 'a lease that is given back or has ended goes to the next one, under a higher token',
    needs,
    run: async ({ store }) => {
      const name = aLease();
      const first = await take(store, name);
      await right(leasesOf(store).release(first));
      const second = await take(store, name, 20);
      same(second.token, 2);
      same((await takeOver(store, name)).token, 3);
    },
  },
  {
    title: 'a lease is renewed by its holder only, also after its end as long as nobody else has taken it',
    needs,
    run: async ({ store }) => {
      const name = aLease();
      const first = await take(store, name, 20);
      await pause(40);
      await right(leasesOf(store).renew(first, 20));
      const second = await takeOver(store, name);
      same(await refused(leasesOf(store).renew(first, 60_000), 'LeaseLost'), {
        _tag: 'LeaseLost',
        lease: name,
        token: first.token,
      });
      // Giving back what is lost takes nothing from the new holder.
      await right(leasesOf(store).release(first));
      await right(leasesOf(store).renew(second, 60_000));
      await refused(leasesOf(store).acquire({ name, holder: 'third', ttlMs: 1_000 }), 'LeaseHeld');
      await right(leasesOf(store).release(second));
      await refused(leasesOf(store).renew(second, 60_000), 'LeaseLost');
    },
  },
  {
    title: 'an append under a lease that has gone to another is refused, and nothing is written',
    needs,
    run: async ({ store }) => {
      const name = aLease();
      const { streamName } = await streamAt(store, 2);
      const old = await take(store, name, 20);
      const first = { streamName, expected: exactly(2), events: events(1), fence: fenceOf(old) };
      same((await right(store.append(first))).version, 3);
      const next = await takeOver(store, name);
      for (const expected of [exactly(3), any]) {
        const late = { streamName, expected, events: events(1), fence: fenceOf(old) };
        same(await writesNothing(store, () => refused(store.append(late), 'LeaseLost')), {
          _tag: 'LeaseLost',
          lease: name,
          token: old.token,
        });
      }
      const good = { streamName, expected: exactly(3), events: events(1), fence: fenceOf(next) };
      same((await right(store.append(good))).version, 4);
    },
  },
  {
    title:
      'an append that was written under a lease is recognised when it is repeated after the lease is lost',
    needs,
    run: async ({ store }) => {
      const name = aLease();
      const streamName = aStream();
      const lease = await take(store, name);
      const request = { streamName, expected: noStream, events: events(2), fence: fenceOf(lease) };
      same((await right(store.append(request))).idempotent, false);
      await right(leasesOf(store).release(lease));
      const again = await right(store.append(request));
      same([again.version, again.idempotent], [2, true]);
      same(asWritten(await wholeStream(store, { streamName })), request.events);
    },
  },
  {
    title: 'a fence of a lease that never was refuses, and so does one of appendMany’s requests',
    needs,
    run: async ({ store }) => {
      const [name, one, two] = [aLease(), aStream(), aStream()];
      const fence = { lease: name, token: 1 };
      const request = { streamName: one, expected: noStream, events: events(1) };
      await writesNothing(store, () => refused(store.append({ ...request, fence }), 'LeaseLost'));
      if (!store.capabilities.atomicAppendMany) return;
      const both = [request, { streamName: two, expected: noStream, events: events(1), fence }];
      await writesNothing(store, () => refused(store.appendMany(both), 'LeaseLost'));
      await take(store, name);
      same(
        (await right(store.appendMany(both))).map(({ version }) => version),
        [1, 1],
      );
    },
  },
  {
    title: 'a bad name, token or time to live is refused by name',
    needs,
    run: async ({ store }) => {
      const { acquire, renew } = leasesOf(store);
      await refused(acquire({ name: '', holder: 'h', ttlMs: 1 }), 'InvalidName');
      await refused(acquire({ name: aLease(), holder: '\u0000', ttlMs: 1 }), 'InvalidName');
      for (const ttlMs of [0, -1, 0.5, Number.NaN, 86_400_001])
        await refused(acquire({ name: aLease(), holder: 'h', ttlMs }), 'InvalidRequest');
      await refused(renew({ name: aLease(), token: 0.5 }, 1), 'InvalidRequest');
      const fence = { lease: aLease(), token: -1 };
      await refused(
        store.append({ streamName: aStream(), expected: any, events: events(1), fence }),
        'InvalidRequest',
      );
    },
  },
  {
    title: 'of many who ask at once one gets the lease',
    needs,
    timeoutMs: 40_000,
    run: async (opened, subject) => {
      const handles = await warmHandles(opened, subject);
      const name = aLease();
      const answers = await race(12, (writer) =>
        leasesOf(handleOf(handles, writer)).acquire({ name, holder: `w${writer}`, ttlMs: 60_000 })(),
      );
      same(answers.filter(E.isRight).length, 1);
    },
  },
  {
    title: 'a slow holder that goes on writing writes nothing after the lease was given to another',
    needs,
    timeoutMs: 60_000,
    run: async (opened, subject) => {
      const handles = await warmHandles(opened, subject);
      for (const _round of numbersFrom(1, 10)) {
        const [name, streamName] = [aLease(), aStream()];
        const old = await take(handles[0], name, 1);
        let isGiven = false;
        const acknowledgedLate: number[] = [];
        await race(8, async (writer) => {
          if (writer === 0) {
            await takeOver(handleOf(handles, 1), name);
            isGiven = true;
            return;
          }
          for (const _try of numbersFrom(1, 10)) {
            const askedAfter = isGiven;
            const request = { streamName, expected: any, events: events(1), fence: fenceOf(old) };
            const written = await handleOf(handles, writer).append(request)();
            if (askedAfter && E.isRight(written)) acknowledgedLate.push(writer);
          }
        });
        same(acknowledgedLate, []);
      }
    },
  },
  {
    title:
      'leases that are held are listed by the beginning of their names, letter for letter; others are not',
    needs,
    run: async ({ store }) => {
      const prefix = `list_${unique()}%\\`;
      const { list, release } = leasesOf(store);
      for (const name of ['b', 'æ', 'a', 'A', '\u{10ffff}'])
        await take(store, `${prefix}${name}`, 60_000, name);
      await take(store, prefix.replace('_', '-').replace('%', 'x'));
      await take(store, `${prefix}ended`, 1);
      await right(release(await take(store, `${prefix}released`)));
      await pause(20);
      const held = await right(list({ prefix }));
      same(
        held.map(({ name, token, holder }) => [name, token, holder]),
        ['A', 'a', 'b', 'æ', '\u{10ffff}'].map((name) => [`${prefix}${name}`, 1, name]),
      );
      for (const { expiresInMs } of held) assert.ok(expiresInMs > 0 && expiresInMs <= 60_000);
      same((await right(list({ prefix, maxCount: 2 }))).length, 2);
      same(await right(list({ prefix: unique() })), []);
      assert.ok((await right(list({ prefix: '' }))).length >= 6);
      await refused(list({ prefix: '\ud800' }), 'InvalidName');
      await refused(list({ prefix, maxCount: 0 }), 'InvalidRequest');
    },
  },
];

export const leasesPart: ContractPart = { title: 'leases:', tests };
