/** `watersmeet dead-letters` and `watersmeet queues`: what they show of a queue, and what they change in it. */
import { describe, expect, it } from '@jest/globals';
import { type EventStore, memoryStore, toPromise } from 'watersmeet';
import { addDeadLetters } from '../../src/cli/commands/dead-letters.js';
import { addQueues } from '../../src/cli/commands/queues.js';
import type { MessageQueue } from '../../src/store/message-queue.js';
import { onOpen, type OnStores, onStores, type Ran } from './support.js';

const evil = 'red\u001b[31m\u202eadmin\nnext';

const queueOf = (store: EventStore): MessageQueue => store.queue as MessageQueue;

/** Takes all that is due once; parks the messages that are named. */
const work = async (queue: MessageQueue, name: string, park: Readonly<Record<string, string>>) => {
  const taken = await toPromise(queue.take({ partition: { queue: name, index: 0, of: 1 }, maxCount: 1_024 }));
  for (const message of taken) {
    const error = park[message.id];
    if (error === undefined) await toPromise(queue.done([message]));
    else await toPromise(queue.failed({ message, error, then: 'park' }));
  }
};

/** Two queues: in `inventory` one parked umbrella with two behind it, and a raincoat that is fine; in `mails` one parked. */
const filled = async (queue: MessageQueue) => {
  const one = (id: string, key: string, name = 'inventory') => ({
    ...{ queue: name, id, key, type: 'ReserveInventory' },
    data: { itemId: key, note: evil },
  });
  await toPromise(
    queue.enqueue([
      one('order-1', 'umbrella'),
      one('order-2', 'umbrella'),
      one('order-3', 'umbrella'),
      one('order-4', 'raincoat'),
      one('order-1', 'ada', 'mails'),
      one('mail-2', 'bob', 'mails'),
    ]),
  );
  await work(queue, 'inventory', { 'order-1': `no such item ${evil}` });
  await work(queue, 'mails', { 'order-1': 'mailbox full', 'mail-2': 'mailbox full' });
};

const commands = [addDeadLetters, addQueues];
const setting: OnStores = { commands, filled: (store) => filled(queueOf(store)), alsoPGlite: true };

const rows = ({ stdout }: Ran) =>
  stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);

onStores('dead letters', setting, (run) => {
  it('list shows them oldest first, each on one line, with what was written in them escaped', async () => {
    const { code, stdout } = await run('dead-letters', 'list');
    const lines = stdout.trim().split('\n');
    expect(code).toBe(0);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^order-1 {2}ReserveInventory {2}key umbrella {2}in inventory {2}1 attempt /);
    expect(lines[0]).toContain('2 waiting behind it');
    expect(lines[0]).toContain('no such item red');
    expect(stdout).not.toMatch(/[\u001b\u202e]/);
  });

  it('list takes a queue and a number, and prints JSON', async () => {
    const mails = rows(await run('dead-letters', 'list', '--queue', 'mails', '--json'));
    expect(mails.map(({ id }) => id)).toEqual(['order-1', 'mail-2']);
    expect(rows(await run('dead-letters', 'list', '--max', '1', '--json'))).toMatchObject([
      { id: 'order-1', queue: 'inventory', waiting: 2, history: [{ attempt: 1 }] },
    ]);
    const none = await run('dead-letters', 'list', '--queue', 'nothing');
    expect(none).toEqual({ code: 0, stdout: '', stderr: 'no dead letters\n' });
  });

  it('show tells all of one: data, who waits behind it, each attempt with its error', async () => {
    const { code, stdout } = await run('dead-letters', 'show', 'mail-2');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^key +bob$/m);
    expect(stdout).toMatch(/^behind it +nothing$/m);
    expect(stdout).toMatch(/^attempt 1 +\d{4}-.*mailbox full$/m);
    expect(stdout).not.toMatch(/[\u001b\u202e]/);
  });

  it('an id that several queues have needs the queue; one that none has is exit code 2', async () => {
    const several = await run('dead-letters', 'show', 'order-1');
    expect(several).toMatchObject({ code: 2, stdout: '' });
    expect(several.stderr).toContain('--queue or --tenant must be given');
    for (const what of ['show', 'retry', 'discard'])
      expect(await run('dead-letters', what, 'order-99', '--queue', 'mails')).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining('no dead letter order-99 in the queue mails'),
      });
  });

  it('queues shows depth, parked, age and the keys with most, for each partition', async () => {
    const { code, stdout } = await run('queues', 'inventory');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ +0 +2 +1 +\d.* umbrella 2$/m);
    const parted = rows(await run('queues', 'inventory', 'mails', '--partitions', '4', '--json'));
    expect(parted).toHaveLength(8);
    const sum = (queue: string, field: string) =>
      parted.filter((row) => row['queue'] === queue).reduce((all, row) => all + (row[field] as number), 0);
    expect([sum('inventory', 'depth'), sum('inventory', 'parked')]).toEqual([2, 1]);
    expect([sum('mails', 'depth'), sum('mails', 'parked')]).toEqual([0, 2]);
    expect(await run('queues', 'a b')).toMatchObject({ code: 2, stdout: '' });
  });

  it('queues without a name lists all that hold messages, with the same figures', async () => {
    const { code, stdout } = await run('queues');
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n').slice(1);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^ +2 +1 +\S+ \S+ {2}inventory: umbrella 2$/);
    expect(lines[1]).toMatch(/^ +0 +2 +\S+ \S+ {2}mails$/);
    expect(rows(await run('queues', '--json'))).toMatchObject([
      { queue: 'inventory', of: 1, depth: 2, parked: 1, hottest: [{ key: 'umbrella', depth: 2 }] },
      { queue: 'mails', of: 1, depth: 0, parked: 2 },
    ]);
    expect(rows(await run('queues', '--json', '--partitions', '2'))).toHaveLength(4);
  });

  it('retry lets one be handled again, and is no dead letter any more', async () => {
    const ran = await run('dead-letters', 'retry', 'order-1', '--queue', 'inventory');
    expect(ran).toMatchObject({
      code: 0,
      stdout: 'order-1 will be handled again, with all its attempts\n',
    });
    expect(await run('dead-letters', 'retry', 'order-1', '--queue', 'inventory')).toMatchObject({
      code: 2,
    });
    expect(rows(await run('queues', 'inventory', '--json'))).toMatchObject([{ depth: 3, parked: 0 }]);
  });

  it('discard gives several up, in JSON one a line', async () => {
    const ran = await run('dead-letters', 'discard', 'order-1', 'mail-2', '--queue', 'mails', '--json');
    expect(ran.code).toBe(0);
    expect(rows(ran)).toMatchObject([
      { did: 'discard', queue: 'mails', id: 'order-1' },
      { did: 'discard', queue: 'mails', id: 'mail-2' },
    ]);
    expect(rows(await run('queues', 'mails', '--json'))).toMatchObject([{ depth: 0, parked: 0 }]);
  });
});

describe('dead letters of a store without a queue', () => {
  it('are refused as the store’s lack, exit code 3', async () => {
    const run = onOpen({ ...memoryStore(), queue: undefined }, ...commands);
    for (const args of [['dead-letters', 'list'], ['queues', 'inventory'], ['queues']])
      expect(await run(...args)).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('queue'),
      });
  });
});
