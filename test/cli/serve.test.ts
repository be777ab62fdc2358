/** The command as a process of its own: clients reach it, and signals end it in order. */
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import { credentials, Metadata, status } from '@grpc/grpc-js';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { run, workFolder } from './support.js';

const entry = 'dist/esm/src/cli/main.js';
const work = workFolder();
afterAll(work.remove);

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Starts the command on a port that is free; resolves with what it printed first. */
const started = async (...options: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [entry, 'serve', '--port', '0', ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const line = await new Promise<string>((resolve) => {
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
    void ended.then(() => resolve(''));
  });
  return { child, line, ended, stderr: () => stderr };
};

const appended = async (connectionString: string): Promise<bigint> => {
  const client = EventStoreDBClient.connectionString(connectionString);
  try {
    const { nextExpectedRevision } = await client.appendToStream('order-1', [
      jsonEvent({ type: 'Placed', data: {} }),
    ]);
    return nextExpectedRevision;
  } finally {
    await client.dispose();
  }
};

/** The official client sends passwords over TLS only, so this asks as another one would: what becomes of a read. */
const statusFor = (connectionString: string, user?: string): Promise<number> => {
  const client = new StreamsClient(new URL(connectionString).host, credentials.createInsecure());
  const metadata = new Metadata();
  if (user !== undefined) metadata.set('authorization', `Basic ${Buffer.from(user).toString('base64')}`);
  const request = new ReadReq();
  return new Promise((resolve) => {
    const call = client.read(request, metadata);
    call.on('data', () => undefined);
    call.on('error', () => undefined);
    call.on('status', ({ code }) => {
      client.close();
      resolve(code);
    });
  });
};

describe('watersmeet serve', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'prints the connection string, serves clients, and ends in order with 0 on %s',
    async (signal) => {
      const { child, line, ended, stderr } = await started('--store', 'memory');
      expect(line).toMatch(/^esdb:\/\/127\.0\.0\.1:\d+\?tls=false$/);
      expect(await appended(line)).toBe(0n);
      child.kill(signal);
      expect(await ended).toBe(0);
      expect(stderr()).toBe('serving memory; Ctrl-C ends\nended\n');
    },
    60_000,
  );

  it('keeps what was written in an embedded database when it is started again', async () => {
    const store = `pglite:${work.path('kept')}`;
    for (const revision of [0n, 1n]) {
      const { child, line, ended } = await started('--store', store);
      expect(await appended(line)).toBe(revision);
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    }
  }, 120_000);

  it('lets in only those whose name and password are in the file, and shows no password', async () => {
    const file = work.path('users.txt');
    writeFileSync(file, '# who may\nana:se:cret\n');
    const { child, line, ended, stderr } = await started('--store', 'memory', '--credentials-file', file);
    expect(line).toMatch(/^esdb:\/\/NAME:PASSWORD@127/);
    // Let in, the empty request is refused for what it is.
    expect(await statusFor(line, 'ana:se:cret')).toBe(status.INVALID_ARGUMENT);
    for (const wrong of ['ana:secret', 'ana:', 'bob:se:cret', '', undefined])
      expect(await statusFor(line, wrong)).toBe(status.UNAUTHENTICATED);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(`${line}${stderr()}`).not.toContain('cret');
  }, 60_000);

  it('says what is wrong in one line: a port in use, a host open to others, half of TLS, files that cannot be used', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { readonly port: number };
    const bad = work.path('bad.txt');
    writeFileSync(bad, 'ana:x\nhunter2\n');
    const refusals: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [['--port', String(port)], /--port \d+ cannot be listened at on 127\.0\.0\.1.*\(BadOption\)/],
      [['--host', '0.0.0.0'], /0\.0\.0\.0 needs TLS and users.*\(AccessUnsafe\)/],
      [['--tls-cert', 'x.pem'], /--tls-key is missing/],
      [['--tls-cert', bad, '--tls-key', bad], /certificate and key.*\(AccessInvalid\)/],
      [['--credentials-file', work.path('none')], /--credentials-file cannot be read/],
      [['--credentials-file', bad], /which line 2 does not/],
      [['--port', '70000'], /--port must be a whole number from 0 to 65535/],
    ];
    for (const [options, says] of refusals) {
      const { code, stderr } = await run(['serve', '--store', 'memory', ...options]);
      expect([code, stderr]).toEqual([2, expect.stringMatching(says)]);
      expect(stderr.split('\n')).toHaveLength(2);
      expect(stderr).not.toContain('hunter2');
    }
    await new Promise((resolve) => taken.close(resolve));
  }, 30_000);
});
