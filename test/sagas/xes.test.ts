/** The reader of event logs: what it reads, what it refuses and with which words, and the bundled sample log. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sharedFile } from '../support/shared-data.js';
import { readXes, type XesError, type XesFailure, type XesTrace } from '../../sagas/loan-application/xes.js';

const root = resolve('.');
const samplePath = join(root, 'sagas/loan-application/sample.xes.gz');
const folder = mkdtempSync(join(tmpdir(), 'watersmeet-xes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let fileNumber = 0;
function file(content: string | Uint8Array, suffix = '.xes'): string {
  fileNumber += 1;
  const path = join(folder, `log-${fileNumber}${suffix}`);
  writeFileSync(path, content);
  return path;
}

interface Reading {
  readonly traces: ReadonlyArray<XesTrace>;
  readonly error: XesError | undefined;
}

/** Everything that was handed out, and what was thrown after it. */
async function reading(path: string): Promise<Reading> {
  const traces: XesTrace[] = [];
  try {
    for await (const trace of readXes(path)) traces.push(trace);
    return { traces, error: undefined };
  } catch (error) {
    return { traces, error: error as XesError };
  }
}

async function read(content: string | Uint8Array, suffix?: string): Promise<ReadonlyArray<XesTrace>> {
  const { traces, error } = await reading(file(content, suffix));
  if (error !== undefined) throw error;
  return traces;
}

async function failure(content: string | Uint8Array): Promise<XesFailure> {
  const { error } = await reading(file(content));
  if (error?.tagged === undefined) throw new Error('no tagged error was thrown', { cause: error });
  return error.tagged;
}

const string = (key: string, value: string) => `<string key="${key}" value="${value}"/>`;
const date = (value: string) => `<date key="time:timestamp" value="${value}"/>`;
const event = (name: string, value = '2024-01-08T09:00:00.000Z') =>
  `<event>${string('concept:name', name)}${date(value)}</event>`;
const trace = (name: string, ...events: ReadonlyArray<string>) =>
  `<trace>${string('concept:name', name)}${events.join('')}</trace>`;
const log = (...traces: ReadonlyArray<string>) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<log xmlns="http://www.xes-standard.org/">\n${traces.join('\n')}\n</log>\n`;

describe('reading an event log', () => {
  it('gives traces and events in the order of the file, with their standard attributes', async () => {
    const traces = await read(
      log(
        `<trace>${string('concept:name', 'case 1')}<int key="AMOUNT_REQ" value="5000"/>` +
          `<event>${string('org:resource', 'ann')}${string('lifecycle:transition', 'COMPLETE')}` +
          `${string('concept:name', 'A_SUBMITTED')}${date('2024-01-08T10:00:00.250+01:00')}</event>${event('A_DECLINED')}</trace>`,
        trace('case 2'),
      ),
    );
    expect(traces.map(({ name }) => name)).toEqual(['case 1', 'case 2']);
    expect([...(traces[0]?.attributes ?? [])]).toEqual([
      ['concept:name', 'case 1'],
      ['AMOUNT_REQ', '5000'],
    ]);
    expect(traces[0]?.events.map(({ attributes: _, ...rest }) => rest)).toEqual([
      {
        name: 'A_SUBMITTED',
        transition: 'COMPLETE',
        timestampMs: Date.UTC(2024, 0, 8, 9, 0, 0, 250),
        timestamp: '2024-01-08T10:00:00.250+01:00',
        resource: 'ann',
      },
      {
        name: 'A_DECLINED',
        transition: undefined,
        timestampMs: Date.UTC(2024, 0, 8, 9),
        timestamp: '2024-01-08T09:00:00.000Z',
        resource: undefined,
      },
    ]);
    expect(traces[1]?.events).toEqual([]);
  });

  it('keeps attributes of every type as text, and a list by its key', async () => {
    const [only] = await read(
      log(
        trace(
          'c',
          `<event>${string('concept:name', 'a')}${date('2024-01-08T09:00:00Z')}<int key="i" value="1"/>` +
            '<float key="f" value="1.50"/><boolean key="b" value="true"/><id key="id" value="7d3f"/>' +
            '<list key="l"><values><string key="in list" value="x"/></values></list>' +
            '<container key="c"><string key="in container" value="x"/></container></event>',
        ),
      ),
    );
    const attributes = only?.events[0]?.attributes;
    expect([...(attributes?.keys() ?? [])].sort()).toEqual(
      ['b', 'c', 'concept:name', 'f', 'i', 'id', 'l', 'time:timestamp'].sort(),
    );
    expect([attributes?.get('f'), attributes?.get('b'), attributes?.get('l')]).toEqual(['1.50', 'true', '']);
  });

  it('does not take an attribute of an attribute for one of the event or the trace', async () => {
    const nested = `<string key="note" value="n">${string('concept:name', 'WRONG')}${date('1999-01-01T00:00:00Z')}</string>`;
    const list = `<list key="l">${string('org:resource', 'WRONG')}<values>${string('lifecycle:transition', 'WRONG')}</values></list>`;
    const [only] = await read(
      log(
        `<trace>${string('concept:name', 'right')}${nested}<event>${string('concept:name', 'right too')}` +
          `${date('2024-01-08T09:00:00Z')}${nested}${list}</event></trace>`,
      ),
    );
    expect(only?.name).toBe('right');
    expect(only?.events[0]).toMatchObject({
      name: 'right too',
      timestamp: '2024-01-08T09:00:00Z',
      resource: undefined,
      transition: undefined,
    });
  });

  it('leaves out globals, extensions, classifiers and attributes of the log', async () => {
    const traces = await read(
      log(
        '<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>',
        `<global scope="trace">${string('concept:name', 'UNKNOWN')}</global>`,
        `<global scope="event">${string('concept:name', 'UNKNOWN')}${date('not a date')}</global>`,
        '<classifier name="Activity" keys="concept:name lifecycle:transition"/>',
        string('concept:name', 'the log itself'),
        trace('c', event('a')),
      ),
    );
    expect(traces.map(({ name, events }) => [name, events.length])).toEqual([['c', 1]]);
  });

  it.each([
    ['no namespace', '<log>', '</log>', ''],
    ['a default namespace', '<log xmlns="http://www.xes-standard.org">', '</log>', ''],
    ['a prefix', '<x:log xmlns:x="http://www.xes-standard.org/">', '</x:log>', 'x:'],
  ])('understands a log with %s', async (_, open, close, prefix) => {
    const body = trace('c', event('a')).replace(/<(\/?)(?=\w)/g, `<$1${prefix}`);
    expect((await read(`${open}${body}${close}`)).map(({ events }) => events[0]?.name)).toEqual(['a']);
  });

  it('leaves out elements of another namespace', async () => {
    const foreign = `<y:string xmlns:y="urn:y" key="concept:name" value="WRONG"/><y:event xmlns:y="urn:y">${date('x')}</y:event>`;
    const [only] = await read(log(trace('c', foreign, event('a'))));
    expect([only?.name, only?.events.length]).toEqual(['c', 1]);
  });

  it('sees from the first byte, not from the name, whether a file is gzipped', async () => {
    const content = log(trace('c', event('a')));
    expect(await read(content, '.xes.gz')).toHaveLength(1);
    expect(await read(gzipSync(content), '.xes')).toHaveLength(1);
    expect(await read(gzipSync(content), '.xes.gz')).toHaveLength(1);
  });

  it('reads a BOM, CRLF, entities, CDATA and comments', async () => {
    const content = log(
      '<!-- <trace> -->',
      trace('Aufg&#228;be &amp; &lt;b&gt; &quot;q&quot;', '<![CDATA[</trace>]]>', event('a')),
    );
    const [only] = await read(`\uFEFF${content.replaceAll('\n', '\r\n')}`);
    expect(only?.name).toBe('Aufgäbe & <b> "q"');
    expect(only?.events).toHaveLength(1);
  });

  it('reads an attribute of several megabytes', async () => {
    const value = 'wide '.repeat(1_000_000);
    const [only] = await read(log(`<trace>${string('concept:name', 'c')}${string('note', value)}</trace>`));
    expect(only?.attributes.get('note')).toBe(value);
  });

  it.each([1, 2, 3, 4, 5, 6, 7])(
    'reads a character that lies %d bytes before the end of a chunk',
    async (before) => {
      const chunkBytes = 64 * 1024;
      const head = `<log><trace><string key="concept:name" value="`;
      const filler = 'x'.repeat(chunkBytes - before - head.length);
      const name = `${filler}\u{1F30A}\uFEFF\u00E9`;
      const content = `${head}${name}"/></trace></log>`;
      expect((await read(content))[0]?.name).toBe(name);
      expect((await read(gzipSync(content)))[0]?.name).toBe(name);
    },
  );

  it.each(['plain', 'gzipped'])('closes a %s file when its consumer has seen enough', async (kind) => {
    const content = log(...Array.from({ length: 50_000 }, (_, index) => trace(`c${index}`, event('a'))));
    const path = file(kind === 'plain' ? content : gzipSync(content, { level: 0 }));
    for await (const first of readXes(path)) {
      expect(first.name).toBe('c0');
      if (existsSync('/proc/self/fd')) expect(openFiles()).toContain(path);
      break;
    }
    // Only some systems show which files a process has open; elsewhere it must at least come to an end.
    for (let attempt = 1; attempt <= 100 && openFiles().includes(path); attempt += 1) await setTimeout(10);
    expect(openFiles()).not.toContain(path);
  });
});

function openFiles(): ReadonlyArray<string | undefined> {
  const own = '/proc/self/fd';
  return existsSync(own) ? readdirSync(own).map((fd) => linkOf(join(own, fd))) : [];
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

describe('a timestamp of an event', () => {
  const read1 = async (value: string) =>
    (await read(log(trace('c', event('a', value)))))[0]?.events[0]?.timestampMs;

  it.each([
    ['2011-10-01T00:38:44.546+02:00', Date.UTC(2011, 8, 30, 22, 38, 44, 546)],
    ['2011-10-01T00:38:44Z', Date.UTC(2011, 9, 1, 0, 38, 44)],
    ['2011-10-01T00:38:44.5-0330', Date.UTC(2011, 9, 1, 4, 8, 44, 500)],
    ['2024-02-29T23:59:59.999999Z', Date.UTC(2024, 1, 29, 23, 59, 59, 999)],
    [' 2024-03-31T02:30:00+01:00 ', Date.UTC(2024, 2, 31, 1, 30)],
    ['1969-12-31T23:59:59.001Z', -999],
  ])('%s is read to the millisecond', async (value, expected) => {
    expect(await read1(value)).toBe(expected);
  });

  it('without a zone counts as UTC, whatever the zone of the machine', async () => {
    expect(await read1('2024-07-01T12:00:00')).toBe(Date.UTC(2024, 6, 1, 12));
  });

  it.each([
    'yesterday',
    '',
    '2024-01-08',
    '1704700800000',
    '2024-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-00-01T00:00:00Z',
    '2024-01-08T24:00:00Z',
    '2024-01-08T09:61:00Z',
    '2024-01-08T09:00:60Z',
    '2024-01-08T09:00:00+15:00',
    '2024-01-08 09:00:00Z',
    '08/01/2024 09:00:00',
  ])('"%s" is none', async (value) => {
    expect(await failure(log(trace('case 7', event('a'), event('b', value))))).toMatchObject({
      _tag: 'XesTimestampInvalid',
      trace: 'case 7',
      eventNumber: 2,
      line: 3,
      value,
    });
  });

  it('that is missing is reported as such', async () => {
    const broken = await failure(log(trace('case 7', `<event>${string('concept:name', 'a')}</event>`)));
    expect(broken).toMatchObject({ _tag: 'XesTimestampInvalid', trace: 'case 7', value: undefined });
  });
});

describe('a log that cannot be read is refused', () => {
  it('when there is no such file, or it is a directory, or its name is none', async () => {
    const codes = await Promise.all(
      [join(folder, 'absent.xes'), folder, 'a\0b'].map(async (path) => (await reading(path)).error?.tagged),
    );
    expect(codes).toEqual([
      { _tag: 'XesUnreadable', file: join(folder, 'absent.xes'), code: 'ENOENT' },
      { _tag: 'XesUnreadable', file: folder, code: 'EISDIR' },
      { _tag: 'XesUnreadable', file: 'a\0b', code: 'ERR_INVALID_ARG_VALUE' },
    ]);
  });

  const mayReadAll = process.getuid?.() === 0 || process.platform === 'win32';
  const itUnlessRoot = mayReadAll ? it.skip : it;
  itUnlessRoot(
    `when this user may not read it${mayReadAll ? ' (skipped: this user may read every file)' : ''}`,
    async () => {
      const path = file(log());
      chmodSync(path, 0o000);
      expect((await reading(path)).error?.tagged).toEqual({
        _tag: 'XesUnreadable',
        file: path,
        code: 'EACCES',
      });
    },
  );

  it.each([
    ['nothing in it', '', 1, 'root element'],
    ['an element left open', '<log>\n<trace>', 2, 'unclosed tag'],
    ['the wrong closing tag', '<log>\n<trace>\n</log>', 3, 'unexpected close tag'],
    ['two attributes of one name', '<log>\n<string key="a" key="b"/></log>', 2, 'duplicate attribute'],
    ['an unknown prefix', '<log>\n\n<y:trace/></log>', 3, 'namespace prefix'],
    ['text after the end', '<log/>\nmore', 2, 'text data outside of root'],
    ['another root element', '<!DOCTYPE html>\n<html></html>', 2, 'the root element is <html>'],
    ['an event outside every trace', '<log>\n<event/></log>', 2, 'belongs to no case'],
    ['an attribute without a key', '<log><trace>\n<string value="a"/></trace></log>', 2, 'without a key'],
    ['an encoding that is not UTF-8', '<?xml version="1.0" encoding="ISO-8859-1"?>\n<log/>', 1, 'ISO-8859-1'],
    ['a control character', '<log>\n<string key="a" value="\u0001"/></log>', 2, 'disallowed character'],
  ])('with %s', async (_, content, line, reason) => {
    const broken = await failure(content);
    expect(broken).toMatchObject({ _tag: 'XesBroken', line, reason: expect.stringContaining(reason) });
  });

  it('and says the column, too', async () => {
    expect(await failure('<log>\r\n  <trace></wrong></log>')).toMatchObject({ line: 2, column: 17 });
  });

  it('with entities of its own, which are never expanded', async () => {
    const laughs = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join(
      '\n',
    );
    const bomb = `<!DOCTYPE log [<!ENTITY l0 "ha">\n${laughs}]>\n<log>\n<trace>${string('concept:name', '&l9;')}</trace></log>`;
    expect(await failure(bomb)).toMatchObject({ _tag: 'XesBroken', line: 12, reason: 'undefined entity' });
    const outside = '<!DOCTYPE log [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n<log>&x;</log>';
    expect(await failure(outside)).toMatchObject({ _tag: 'XesBroken', line: 2 });
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect(await failure(`<log>&${name};</log>`)).toMatchObject({ reason: 'undefined entity' });
    }
  });

  it.each([0, 1, 2, 3])(
    'with bytes that are not UTF-8, %d bytes into a chunk, with the line',
    async (into) => {
      const head = Buffer.from(`<log>\n${trace('first', event('a'))}\n<!--`);
      const filler = Buffer.alloc(64 * 1024 - head.length + into, 'x');
      const content = Buffer.concat([head, filler, Buffer.from([0xe9, 0x41]), Buffer.from('\n--></log>')]);
      const { traces, error } = await reading(file(content));
      expect(traces.map(({ name }) => name)).toEqual(['first']);
      expect(error?.tagged).toMatchObject({
        _tag: 'XesBroken',
        line: 3,
        column: 4 + filler.length,
        reason: expect.stringContaining('not UTF-8'),
      });
    },
  );

  it('with a character that the end of the file cuts in two', async () => {
    expect(await failure(Buffer.from([...Buffer.from('<log>\n'), 0xe2, 0x82]))).toMatchObject({
      _tag: 'XesBroken',
      line: 2,
    });
  });

  it('with gzip data that end too early or are damaged', async () => {
    const content = log(...Array.from({ length: 20_000 }, (_, n) => trace(`case ${n * 7919}`, event('a'))));
    const packed = gzipSync(content);
    const short = await reading(file(packed.subarray(0, packed.length - 20)));
    expect(short.error?.tagged).toMatchObject({ _tag: 'XesBroken', reason: 'the gzip data end too early' });
    expect(short.traces.length).toBeGreaterThan(10_000);
    const { tagged } = short.error as XesError;
    expect(tagged._tag === 'XesBroken' && tagged.line).toBeGreaterThan(10_000);
    const damaged = Buffer.from(packed);
    // The checksum stands in the last 8 bytes.
    damaged.writeUInt32LE(0xdeadbeef, packed.length - 8);
    expect(await failure(damaged)).toMatchObject({ _tag: 'XesBroken', reason: 'the gzip data are damaged' });
    expect(await failure(Buffer.from([0x1f, 0x8b, 0, 0]))).toMatchObject({
      _tag: 'XesBroken',
      line: 1,
      column: 1,
    });
  });

  it('with a trace without a name, by its number and line', async () => {
    const nameless = (attribute: string) => log(trace('c'), `<trace>${attribute}${event('a')}</trace>`);
    const expected = { _tag: 'XesTraceWithoutName', traceNumber: 2, line: 4 };
    expect(await failure(nameless(''))).toMatchObject(expected);
    expect(await failure(nameless(string('concept:name', '  ')))).toMatchObject(expected);
    expect(await failure(nameless('<list key="concept:name"/>'))).toMatchObject(expected);
  });

  it('with an event without a name, by its trace, number and line', async () => {
    const nameless = `\n<event>${date('2024-01-08T09:00:00Z')}</event>`;
    const expected = { _tag: 'XesEventWithoutName', eventNumber: 2, line: 4 };
    expect(await failure(log(trace('case 7', event('a'), nameless)))).toMatchObject({
      ...expected,
      trace: 'case 7',
    });
    const namedLast = `<trace>${event('a')}${nameless}${string('concept:name', 'case 7')}</trace>`;
    expect(await failure(log(namedLast))).toMatchObject({ ...expected, trace: '#1' });
  });

  it('without handing out a trace or an event that a wrong closing tag cuts short', async () => {
    for (const content of ['', event('a'), event('a').replace('</event>', '')]) {
      const cut = log(trace('whole'), trace('cut', content).replace('</trace>', ''));
      const { traces, error } = await reading(file(cut));
      expect(traces.map(({ name }) => name)).toEqual(['whole']);
      expect(error?.tagged).toMatchObject({ _tag: 'XesBroken', line: 5, reason: 'unexpected close tag' });
    }
  });

  it('after the traces before the fault were handed out, even from the same chunk', async () => {
    const { traces, error } = await reading(file(log(trace('c1'), trace('c2'), '<trace></event>')));
    expect(traces.map(({ name }) => name)).toEqual(['c1', 'c2']);
    expect(error?.tagged._tag).toBe('XesBroken');
  });
});

describe('the message of a refusal', () => {
  const message = async (path: string) => (await reading(path)).error?.message;
  const at = (path: string, rest: string) => `${path}${rest}`;

  it('is one line with the file, the line and what to do', async () => {
    const absent = join(folder, 'absent.xes');
    expect(await message(absent)).toBe(
      at(absent, ': cannot be read: there is no such file; check the path.'),
    );
    const open = file('<log>\n');
    expect(await message(open)).toBe(
      at(
        open,
        ':2:1: not well-formed XES: unclosed tag: log; mend the file at that place or export the log again.',
      ),
    );
    const nameless = file(log('<trace/>'));
    expect(await message(nameless)).toBe(
      at(
        nameless,
        ':3: trace #1 has no name; give it an attribute <string key="concept:name" value="..."/>.',
      ),
    );
    const late = file(log(trace('c', event('a', 'late'))));
    expect(await message(late)).toBe(
      at(
        late,
        ':3: event #1 of trace "c" has the time:timestamp "late", which is none; write it like 2024-05-17T09:30:00.000+02:00.',
      ),
    );
  });

  it('shows what a terminal would obey, and cuts what is long', async () => {
    const hostile = `&#10;&#x202E;${'w'.repeat(500)}`;
    const text = (await message(file(log(trace(hostile, event('a', 'x')))))) ?? '';
    expect(text).toContain('trace "\\u{a}\\u{202e}www');
    expect(text).toContain('w..."');
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text.length).toBeLessThan(folder.length + 320);
    expect(await message('no\u001b[31m such')).toContain('no\\u{1b}[31m such: cannot be read');
  });
});

describe('the bundled sample log', () => {
  let cases: ReadonlyArray<XesTrace> = [];
  beforeAll(async () => {
    const { traces, error } = await reading(samplePath);
    expect(error).toBeUndefined();
    cases = traces;
  });
  const count = ({ events }: XesTrace, ...names: ReadonlyArray<string>) =>
    events.filter(({ name }) => names.includes(name)).length;
  const outcomes = ['A_APPROVED', 'A_DECLINED', 'A_CANCELLED'] as const;
  const resolutions = ['O_ACCEPTED', 'O_DECLINED', 'O_CANCELLED'];

  it('is what its script makes', () => {
    const script = join(root, 'scripts/make-sample-log.mjs');
    const { stdout, status } = spawnSync(process.execPath, [script, '--print'], { maxBuffer: 1 << 26 });
    expect(status).toBe(0);
    expect(gunzipSync(readFileSync(samplePath)).equals(stdout)).toBe(true);
  });

  it('is small and names its cases sample-0001 and on', () => {
    expect(readFileSync(samplePath).length).toBeLessThan(200_000);
    expect(cases.map(({ name }) => name)).toEqual(
      Array.from({ length: 300 }, (_, index) => `sample-${String(index + 1).padStart(4, '0')}`),
    );
  });

  it('ends every case once, in the shares of a real bank', () => {
    expect(cases.filter((loan) => count(loan, ...outcomes) !== 1)).toEqual([]);
    const shares = outcomes.map((outcome) => cases.filter((loan) => count(loan, outcome) === 1).length);
    expect(shares).toEqual([54, 180, 66]);
  });

  it('makes and sends as many offers as it selects', () => {
    const uneven = cases.filter(
      (loan) => new Set(['O_SELECTED', 'O_CREATED', 'O_SENT'].map((name) => count(loan, name))).size !== 1,
    );
    expect(uneven).toEqual([]);
  });

  it('never resolves more offers than were made, and leaves none open but one in an approved case', () => {
    const open = cases.flatMap((loan) => {
      const balance = loan.events.reduce(
        ({ now, lowest }, { name }) => {
          const next = now + (name === 'O_CREATED' ? 1 : resolutions.includes(name) ? -1 : 0);
          return { now: next, lowest: Math.min(lowest, next) };
        },
        { now: 0, lowest: 0 },
      );
      expect([loan.name, balance.lowest]).toEqual([loan.name, 0]);
      return balance.now > 0 ? [{ open: balance.now, approved: count(loan, 'A_APPROVED') }] : [];
    });
    expect(open).toEqual([{ open: 1, approved: 1 }]);
  });

  it('never goes back in time, and has thousands of neighbours within a second', () => {
    const gapsMs = cases.flatMap(({ events }) =>
      events.slice(1).map((next, index) => next.timestampMs - (events[index]?.timestampMs ?? 0)),
    );
    expect(gapsMs.filter((gapMs) => gapMs < 0)).toEqual([]);
    expect(gapsMs.filter((gapMs) => gapMs <= 1_000).length).toBeGreaterThan(1_000);
  });

  it.each([
    [['A_REGISTERED', 'A_APPROVED', 'A_ACTIVATED'], 6],
    [['A_CANCELLED', 'O_CANCELLED'], 2],
    [['A_DECLINED', 'O_DECLINED'], 2],
    [['O_SELECTED', 'A_FINALIZED'], 2],
  ])('has %j of one moment in all %d orders', (names, orders) => {
    const seen = cases.flatMap(({ events }) => {
      const last = events.filter(({ name }) => names.includes(name)).slice(-names.length);
      const spanMs = (last.at(-1)?.timestampMs ?? 0) - (last[0]?.timestampMs ?? 0);
      const order = last.map(({ name }) => name);
      return spanMs <= 1_000 && new Set(order).size === names.length ? [order.join()] : [];
    });
    expect(new Set(seen).size).toBe(orders);
  });
});

describe('real event logs', () => {
  const logs: ReadonlyArray<readonly [string, number, number]> = [
    ['bpic2012/loans.xes.gz', 6_859, 136_791],
    ['receipt/receipt.xes.gz', 1_434, 8_577],
    ['bpic2013/bpic2013_incidents.xes.gz', 7_554, 65_533],
    ['bpic2013/bpic2013_closed.xes.gz', 1_487, 6_660],
  ];
  for (const [name, traces, events] of logs) {
    const { path, skip } = sharedFile(name);
    (skip === undefined ? it : it.skip)(
      `${name} has ${traces} traces and ${events} events${skip === undefined ? '' : ` (skipped: ${skip})`}`,
      async () => {
        let [traceCount, eventCount] = [0, 0];
        for await (const found of readXes(path)) {
          traceCount += 1;
          eventCount += found.events.length;
        }
        expect([traceCount, eventCount]).toEqual([traces, events]);
      },
    );
  }
});
