/** `watersmeet stats`: what it makes of the traces that saves and sagas leave in their events. */
import { describe, expect, it } from '@jest/globals';
import { any, defaultTenant, type EventStore, sagaRuntime, type StreamName, toPromise } from 'watersmeet';
import { addStats } from '../../src/cli/commands/stats.js';
import { saveSurvey } from '../../src/cli/save-survey.js';
import type { RecordedEvent } from '../../src/core/event.js';
import { type SaveHeader, withSaveHeader } from '../../src/core/concurrency/save-header.js';
import { newId } from '../../src/store/ids.js';
import { basketSaga, message } from '../support/basket.js';
import { onStores, type Ran, type Run } from './support.js';

interface Append {
  readonly stream: string;
  readonly save?: Partial<SaveHeader>;
  readonly events?: number;
}

const append = async (store: EventStore, { stream, save, events = 1 }: Append): Promise<void> => {
  const metadata =
    save === undefined ? {} : withSaveHeader({}, { id: newId(), strategy: 'retry', attempts: 1, ...save });
  const data = Array.from({ length: events }, () => ({
    ...{ eventId: newId(), type: 'Changed', schemaVersion: 1, data: null, metadata },
  }));
  const request = { tenant: defaultTenant, streamName: stream as StreamName, expected: any, events: data };
  await toPromise(store.append(request));
};

/** Ten saves of products, two of orders, one append without a header, and a saga that branches once. */
const filled = async (store: EventStore): Promise<void> => {
  for (let save = 0; save < 5; save += 1)
    await append(store, { stream: 'product-calm', save: {}, events: 3 });
  await append(store, { stream: 'product-hot', save: { attempts: 3 } });
  await append(store, { stream: 'product-hot', save: { attempts: 2 } });
  await append(store, { stream: 'product-hot', save: { strategy: 'pessimistic', waitedMs: 40 } });
  await append(store, { stream: 'product-calm', save: { strategy: 'pessimistic', waitedMs: 0 } });
  await append(store, { stream: 'product-calm', save: { work: 'system', operation: 'thumbnails' } });
  await append(store, { stream: 'order-1', save: { strategy: 'merge' } });
  await append(store, { stream: 'order-1', save: { strategy: 'merge' } });
  await append(store, { stream: 'plain-1', events: 2 });
  const runtime = sagaRuntime(basketSaga(), { store });
  await toPromise(runtime.handle(message('Add', { by: 1 }) as never));
  const both = [message('Add', { by: 1 }), message('Add', { by: 2 })];
  await Promise.all(both.map((one) => toPromise(runtime.handle(one as never))));
};

type Line = { readonly kind: string } & Readonly<Record<string, unknown>>;
const linesOf = ({ stdout }: Ran): ReadonlyArray<Line> =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
const categoryIn = (lines: ReadonlyArray<Line>, name: string): Line | undefined =>
  lines.find(({ kind, category }) => kind === 'category' && category === name);

onStores('watersmeet stats', { commands: [addStats], filled }, (run) => {
  const stats: Run = (...args) => run('stats', ...args);

  it('counts saves, not events, with their attempts, waits and strategies', async () => {
    const lines = linesOf(await stats('--json'));
    expect(categoryIn(lines, 'product')).toMatchObject({
      events: 20,
      saves: 10,
      contended: 3,
      attempts: { mean: 1.3, max: 3 },
      lockWaits: { count: 2, maxMs: 40 },
      systemWork: 1,
      strategies: { retry: 8, pessimistic: 2 },
    });
    // Two saves of one stream after one another are told apart by their ids.
    expect(categoryIn(lines, 'order')).toMatchObject({ saves: 2, contended: 0, strategies: { merge: 2 } });
    expect(categoryIn(lines, 'plain')).toMatchObject({ events: 2, saves: 0 });
  });

  it('counts the branches and merges of sagas', async () => {
    const lines = linesOf(await stats('--json', '--category', 'basket'));
    expect(lines.filter(({ kind }) => kind === 'category')).toHaveLength(1);
    expect(categoryIn(lines, 'basket')).toMatchObject({ saves: 0, branches: 1, merges: 1 });
  });

  it('names the hottest streams, hottest first', async () => {
    const streams = linesOf(await stats('--json', '--hottest', '1')).filter(({ kind }) => kind === 'stream');
    expect(streams).toEqual([{ kind: 'stream', streamName: 'product-hot', met: 3, extra: 3 }]);
  });

  it('is a table for people', async () => {
    const { stdout, stderr, code } = await stats('--category', 'product', '--category', 'plain');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(
      [
        'category  events  saves     met  attempts  max  waits  ms p50/p99/max  system  branches  merges  strategies',
        'product       20     10  30.0 %      1.30    3      2         0/40/40  10.0 %         -       -  retry 8, pessimistic 2',
        'plain          2      0       -         -    -      -               -       -         -       -',
        '',
        'hottest streams',
        '  product-hot  met others 3 times; 3 attempts or branches besides',
        '',
      ].join('\n'),
    );
  });

  it('looks at the last so many events, or at those after a position', async () => {
    const last = linesOf(await stats('--json', '--since', '3', '--category', 'product'));
    expect(categoryIn(last, 'product')).toMatchObject({ events: 3, saves: 3, systemWork: 1, contended: 1 });
    const all = linesOf(await stats('--json', '--since', '1000', '--category', 'product'));
    expect(categoryIn(all, 'product')).toMatchObject({ events: 20 });
    const from = linesOf(await stats('--json', '--since', '0/0', '--category', 'product'));
    expect(categoryIn(from, 'product')).toMatchObject({ events: 20 });
    const beyond = await stats('--since', '999999999999/999999999999');
    expect(beyond).toMatchObject({ code: 0, stdout: '', stderr: 'no events\n' });
  });

  it('refuses a place that is none', async () => {
    for (const place of ['0', '-3', 'yesterday', '1/', '1/2/3']) {
      const { code, stderr } = await stats('--since', place);
      expect(code).toBe(2);
      expect(stderr).toContain('must be a position such as 1042/7, or how many of the last events');
    }
  });
});

describe('a survey of saves', () => {
  const event = (streamName: string, save: Partial<SaveHeader>): RecordedEvent =>
    ({
      ...{ streamName, type: 'Changed' },
      metadata: withSaveHeader({}, { id: newId(), strategy: 'retry', attempts: 1, ...save }),
    }) as unknown as RecordedEvent;

  it('stays small: streams and categories are told apart as long as there is room, and nothing is lost of the counts', () => {
    const survey = saveSurvey();
    for (let index = 0; index < 15_000; index += 1) {
      survey.add(event(`c${index % 2_000}-${index}`, { attempts: 2 }));
      if (index % 15 === 0) survey.add(event('c1-hot', { attempts: 4 }));
    }
    const { categories, streams } = survey.read();
    expect(categories.length).toBeLessThanOrEqual(1_001);
    expect(categories.find(({ category }) => category === '(others)')?.saves).toBe(7_000);
    expect(categories.reduce((sum, { saves }) => sum + saves, 0)).toBe(16_000);
    expect(streams.length).toBeLessThanOrEqual(10_000);
    expect(streams[0]).toEqual({ streamName: 'c1-hot', met: 1_000, extra: 3_000 });
  });

  it('reads over a header that it does not know', () => {
    const survey = saveSurvey();
    survey.add({ streamName: 'a-1', type: 'X', metadata: { headers: { save: { id: 7 } } } } as never);
    expect(survey.read().categories).toMatchObject([{ category: 'a', events: 1, saves: 0 }]);
  });
});
