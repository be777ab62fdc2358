/** Contract: leases on scopes under concurrency, on warmed handles: never two at once that exclude each other. */
import * as E from 'fp-ts/lib/Either.js';
import { strict as assert } from 'node:assert';
import { any } from '../../core/stream.js';
import { excludesEachOther, type LeaseScope, leaseScopeOf } from '../../store/lease-scopes.js';
import { fenceOf, type Lease } from '../../store/leases.js';
import { aRoot, ask, giveBack, take, takeOver } from './lease-scopes.js';
import { leasesOf } from './leases.js';
import { handleOf, race, warmHandles } from './race.js';
import type { ContractPart, ContractTest } from './subject.js';
import { aStream, events, numbersFrom, pause, same } from './support.js';

const needs = ['leases'] as const;

const tests: ReadonlyArray<ContractTest> = [
  {
    title:
      'of sixteen who ask for a scope, for what is above it and within it, never two that exclude each other hold one',
    needs,
    timeoutMs: 60_000,
    run: async (opened, subject) => {
      const handles = await warmHandles(opened, subject);
      const root = aRoot();
      const scopes: ReadonlyArray<LeaseScope> = [
        [root],
        [root, 'a'],
        [root, 'a', 'x'],
        [root, 'a', 'y'],
        [root, 'b', 'x'],
      ];
      const holding = new Set<string>();
      const clashes: string[] = [];
      const granted = scopes.map(() => 0);
      await race(16, async (writer) => {
        const store = handleOf(handles, writer);
        for (const round of numbersFrom(1, 15)) {
          const which = (writer + round) % scopes.length;
          const taken = await ask(store, scopes[which] as LeaseScope)();
          if (E.isLeft(taken)) {
            same(taken.left._tag, 'LeaseHeld');
            continue;
          }
          const { name } = taken.right;
          for (const other of holding)
            if (excludesEachOther(other, name)) clashes.push(`${other} and ${name}`);
          holding.add(name);
          granted[which] = (granted[which] ?? 0) + 1;
          await pause(writer % 3);
          holding.delete(name);
          await giveBack(store, taken.right);
        }
      });
      same(clashes, []);
      // The race was one: each of them was had by somebody.
      assert.ok(granted.filter((count) => count > 0).length >= 3, `granted ${granted.join(', ')}`);
    },
  },
  {
    title:
      'of a scope above and sixteen within it, all asked for at once, either the one is given or some of the others',
    needs,
    timeoutMs: 60_000,
    run: async (opened, subject) => {
      const handles = await warmHandles(opened, subject);
      for (const _round of numbersFrom(1, 10)) {
        const root = aRoot();
        const answers = await race(16, (writer) => {
          const scope = writer % 4 === 0 ? [root] : [root, `part ${writer}`];
          return ask(handleOf(handles, writer), scope)();
        });
        const names = answers.filter(E.isRight).map(({ right: { name } }) => leaseScopeOf(name)?.length);
        const wide = names.filter((depth) => depth === 1).length;
        assert.ok(
          wide === 1 ? names.length === 1 : wide === 0 && names.length > 0,
          `depths ${names.join(', ')}`,
        );
      }
    },
  },
  {
    title: 'a lease that has run out is either renewed or taken from above, never both',
    needs,
    timeoutMs: 60_000,
    run: async (opened, subject) => {
      const handles = await warmHandles(opened, subject);
      for (const _round of numbersFrom(1, 20)) {
        const root = aRoot();
        const old = await take(handles[0], [root, 'a'], 1);
        await pause(3);
        const areRight = await race(4, async (writer) =>
          writer === 0
            ? E.isRight(await leasesOf(handles[0]).renew(old, 60_000)())
            : E.isRight(await ask(handleOf(handles, writer), [root])()),
        );
        same(areRight.filter(Boolean).length, 1);
      }
    },
  },
  {
    title:
      'slow holders within a scope that go on writing write nothing after the scope was given to another',
    needs,
    timeoutMs: 60_000,
    run: async (opened, subject) => {
      const handles = await warmHandles(opened, subject);
      for (const _round of numbersFrom(1, 6)) {
        const root = aRoot();
        const parts = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
        const old = await Promise.all(parts.map((part) => take(handles[0], [root, part], 1)));
        let isGiven = false;
        const acknowledgedLate: number[] = [];
        await race(8, async (writer) => {
          if (writer === 7) {
            await takeOver(handleOf(handles, 1), [root]);
            isGiven = true;
            return;
          }
          const store = handleOf(handles, writer);
          const under = (lease: Lease | undefined) => ({
            ...{ streamName: aStream(), expected: any, events: events(1) },
            ...(lease !== undefined && { fence: fenceOf(lease) }),
          });
          for (const turn of numbersFrom(1, 8)) {
            const askedAfter = isGiven;
            // Two leases in one append, in any order: nobody waits for each other in a circle.
            const requests = [under(old[writer]), under(old[(writer + turn) % 7])];
            const written = store.capabilities.atomicAppendMany
              ? await store.appendMany(requests)()
              : await store.append(under(old[writer]))();
            if (E.isLeft(written)) same(written.left._tag, 'LeaseLost');
            else if (askedAfter) acknowledgedLate.push(writer);
          }
        });
        same(acknowledgedLate, []);
      }
    },
  },
];

export const leaseScopesRacePart: ContractPart = { title: 'leases on scopes, many at once:', tests };
