/** Reads from a hot standby: who writes reads what was written, however far the standby lags behind. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { any, newId, type StreamName, toPromise } from 'watersmeet';
import { openPostgres, type ReplicaFallback, type SqlStore } from 'watersmeet/postgres';
import {
  createDatabase,
  databaseOf,
  type StartedPostgres,
  type StartedStandby,
  startPostgres,
  startStandby,
  whyNoPostgres,
  withDatabase,
} from '../support/embedded-postgres.mjs';
import { eventually } from '../runtime/worker-support.js';

const why =
  process.env['PGTEST_URL'] === undefined ? whyNoPostgres() : 'a server that was given is not ours to copy';
const title = why === undefined ? 'reads from a standby' : `reads from a standby (skipped: ${why})`;

(why === undefined ? describe : describe.skip)(title, () => {
  let primary: StartedPostgres;
  let standby: StartedStandby;
  let store: SqlStore;
  const fallbacks: ReplicaFallback[] = [];
  const reasons = () => fallbacks.splice(0).map(({ reason }) => reason);

  beforeAll(async () => {
    primary = await startPostgres();
    const url = await createDatabase(primary.url);
    const first = await toPromise(openPostgres({ connectionString: url, migrate: true }));
    await first.close();
    standby = await startStandby(primary);
    const connectionString = withDatabase(standby.url, databaseOf(url));
    const onFallback = (reason: ReplicaFallback): void => void fallbacks.push(reason);
    store = await toPromise(
      openPostgres({
        connectionString: url,
        replica: { connectionString, connectTimeoutMs: 2_000, onFallback },
      }),
    );
  }, 120_000);
  afterAll(async () => {
    await store.close();
    await standby.stop();
    await primary.stop();
  }, 60_000);

  const write = (streamName: StreamName, count: number) =>
    toPromise(
      store.append({
        ...{ streamName, expected: any },
        events: Array.from({ length: count }, () => ({
          ...{ eventId: newId(), type: 'Happened', schemaVersion: 1, data: {}, metadata: {} },
        })),
      }),
    );
  const versionAt = async (streamName: StreamName, atLeast?: number) =>
    (await toPromise(store.readStream({ streamName, ...(atLeast !== undefined && { atLeast }) }))).version;

  it('come from there once it has what is asked for, and from the store itself before', async () => {
    const streamName = 'order-1' as StreamName;
    await write(streamName, 2);
    await eventually('the standby has it', async () => (await versionAt(streamName, 0)) === 2);
    await standby.hold();
    await write(streamName, 1);
    expect(reasons()).toEqual([]);
    // Without `atLeast` nothing goes there. With 0 its own answer is taken, which is an older one.
    expect(await versionAt(streamName)).toBe(3);
    expect(await versionAt(streamName, 0)).toBe(2);
    expect(await versionAt(streamName, 2)).toBe(2);
    expect(reasons()).toEqual([]);
    expect(await versionAt(streamName, 3)).toBe(3);
    expect(fallbacks).toEqual([{ reason: 'behind', streamName, atLeast: 3, version: 2 }]);
    reasons();
    await standby.goOn();
    await eventually('it has caught up', async () => (await versionAt(streamName, 0)) === 3);
    expect(await versionAt(streamName, 3)).toBe(3);
    expect(reasons()).toEqual([]);
  }, 60_000);

  it('come from the store itself where the standby has not even the stream', async () => {
    await standby.hold();
    const streamName = 'order-2' as StreamName;
    await write(streamName, 1);
    expect(await versionAt(streamName, 0)).toBe(0);
    expect(await versionAt(streamName, 1)).toBe(1);
    expect(reasons()).toEqual(['behind']);
    await standby.goOn();
  }, 60_000);

  it('come from the store itself while the standby is away', async () => {
    const streamName = 'order-1' as StreamName;
    const { port } = new URL(standby.url);
    const away = await toPromise(
      openPostgres({
        connectionString: withDatabase(primary.url, databaseOf(store.name)),
        replica: {
          connectionString: `postgres://postgres@127.0.0.1:${Number(port) + 1}/none`,
          connectTimeoutMs: 500,
          onFallback: (reason) => void fallbacks.push(reason),
        },
      }),
    );
    expect((await toPromise(away.readStream({ streamName, atLeast: 0 }))).version).toBe(3);
    expect(reasons()).toEqual(['unavailable']);
    await away.close();
  }, 60_000);

  it('refuse what is no version', async () => {
    for (const atLeast of [-1, 0.5, Number.NaN, 2 ** 31])
      expect(await store.readStream({ streamName: 'order-1' as StreamName, atLeast })()).toMatchObject({
        left: { _tag: 'InvalidRequest', field: 'atLeast' },
      });
  });
});
