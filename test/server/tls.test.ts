/**
 * TLS and passwords: the official clients over an encrypted connection, with the right password and with wrong ones. The certificates
 * are made here with the `openssl` command.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { serve, type Serving } from '../../src/server/index.js';
import type { EventStore } from '../../src/store/event-store.js';
import { clientKinds, lackOf, serverTraits } from './clients/adaptors.mjs';
import { checks } from './clients/checks/index.mjs';
import { endSuites, expectOk, runSuite, type SuiteRun } from './clients/suite-process.js';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

/** An authority and a certificate that it has signed for this machine, as PEM files in `directory`. */
const makeCertificates = (directory: string): void => {
  const openssl = (...args: ReadonlyArray<string>) =>
    execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
  );
  openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost');
  writeFileSync(
    join(directory, 'server.ext'),
    'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n',
  );
  const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'server.ext'];
  openssl('x509', '-req', '-in', 'server.csr', ...signed, '-out', 'server.crt', '-days', '2');
};

const title = 'TLS and passwords';
const words = ['connection:'];
const chosen = checks.filter(({ name }) => words.every((word) => name.includes(word)));

(hasOpenssl ? describe : describe.skip)(
  hasOpenssl ? title : `${title} (skipped: there is no openssl command)`,
  () => {
    let directory: string;
    let store: EventStore;
    let serving: Serving;

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'watersmeet-tls-'));
      makeCertificates(directory);
      const pem = (name: string) => readFileSync(join(directory, name));
      store = memoryStore();
      serving = await serve(store, {
        port: 0,
        tls: { cert: pem('server.crt'), key: pem('server.key') },
        users: [{ name: 'admin', password: 'changeit' }],
      });
    });

    afterAll(async () => {
      endSuites();
      await serving.close();
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    });

    const urlOf = () => {
      const authority = encodeURIComponent(join(directory, 'ca.crt'));
      return `esdb://admin:changeit@localhost:${serving.port}?tls=true&tlsCAFile=${authority}`;
    };
    const traits = serverTraits('esdb://admin:changeit@localhost:1', { own: false });

    describe.each(clientKinds)('%s', (kind) => {
      let made: SuiteRun;

      beforeAll(async () => {
        made = await runSuite(kind, urlOf(), { words });
      }, 120_000);

      for (const check of chosen) {
        const lack = lackOf(check, kind, traits);
        if (lack === undefined) test(check.name, () => expectOk(made, check.name));
        else test.skip(`${check.name} (skipped: ${lack})`, () => undefined);
      }

      test.each([
        ['without TLS', () => `esdb://localhost:${serving.port}?tls=false`],
        [
          'without trust in who signed its certificate',
          () => `esdb://admin:changeit@localhost:${serving.port}?tls=true`,
        ],
      ])('nobody connects %s', async (_, url) => {
        const name = 'connection: the server tells its version and what it can do';
        const { lines } = await runSuite(kind, url(), { words: [name] });
        expect(lines.get(name)).toMatchObject({
          outcome: 'error',
          message: expect.stringContaining('UNAVAILABLE'),
        });
      });
    });
  },
);
