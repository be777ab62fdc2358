/** Reads the two kinds of files that Jepsen leaves behind: a log of register operations, and transactions in EDN. */
import { readFileSync } from 'node:fs';
import { parseEDNString } from 'edn-data';
import type { MicroOperation, Transaction, TransactionOutcome } from './dependencies.js';
import type { Operation } from './linearizability.js';
import type { RegisterInput, RegisterOutput } from './models.js';

const line = /^INFO\s+jepsen\.util - (\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(.+?)\s*$/;

const inputOf = (f: string, value: string): RegisterInput => {
  const numbers = value.match(/-?\d+/g)?.map(Number) ?? [];
  if (f === 'read') return { f };
  if (f === 'write') return { f, value: numbers[0] as number };
  return { f: 'cas', from: numbers[0] as number, to: numbers[1] as number };
};

const outputOf = (f: string, type: string, value: string): RegisterOutput | undefined => {
  if (type === 'info') return undefined;
  if (f === 'read') return { f, value: value === 'nil' ? null : Number(value) };
  return f === 'write' ? { f } : { f: 'cas', swapped: type === 'ok' };
};

/**
 * Operations on one register. One that is not heard of again, or whose end is `:info`, has an unknown outcome. A failed
 * cas was told that the register holds another value; a failed read has told nobody anything and is left out.
 */
export const readRegisterLog = (path: string): ReadonlyArray<Operation<RegisterInput, RegisterOutput>> => {
  const operations: Array<Operation<RegisterInput, RegisterOutput>> = [];
  const running = new Map<string, { readonly input: RegisterInput; readonly calledAt: number }>();
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.forEach((text, at) => {
    if (text.trim() === '') return;
    const [, process, type, f, value] = (line.exec(text) ?? []) as unknown as ReadonlyArray<string>;
    if (process === undefined || type === undefined || f === undefined || value === undefined)
      throw new Error(`${path}:${at + 1} is no line of a register log`);
    if (type === 'invoke') {
      running.set(process, { input: inputOf(f, value), calledAt: at });
      return;
    }
    const call = running.get(process);
    if (call === undefined) throw new Error(`${path}:${at + 1} answers no call`);
    running.delete(process);
    if (f === 'read' && type !== 'ok') return;
    operations.push({ ...call, output: outputOf(f, type, value), returnedAt: at });
  });
  for (const call of running.values())
    if (call.input.f !== 'read') operations.push({ ...call, output: undefined, returnedAt: Infinity });
  return operations;
};

interface EdnRow {
  readonly index: number;
  readonly process?: number;
  readonly type: 'invoke' | TransactionOutcome;
  readonly value: ReadonlyArray<
    readonly [f: string, key: number, value: number | ReadonlyArray<number> | null]
  >;
}

const microOf = ([f, key, value]: EdnRow['value'][number]): MicroOperation =>
  f === 'append'
    ? { f, key: String(key), value: value as number }
    : { f: 'read', key: String(key), values: (value ?? []) as ReadonlyArray<number> };

/** Transactions over lists, one row each for call and answer, the answer right after its call. */
export const readListAppendHistory = (path: string): ReadonlyArray<Transaction> => {
  const text = readFileSync(path, 'utf8').replaceAll(/^\s*;.*$/gm, '');
  const rows = parseEDNString(`[${text}]`, { mapAs: 'object', keywordAs: 'string' }) as ReadonlyArray<EdnRow>;
  const transactions: Transaction[] = [];
  let calledAt = 0;
  for (const row of rows) {
    if (row.type === 'invoke') calledAt = row.index;
    else
      transactions.push({
        name: `T${transactions.length + 1}`,
        process: String(row.process ?? transactions.length),
        outcome: row.type,
        operations: row.value.map(microOf),
        calledAt,
        returnedAt: row.index,
      });
  }
  return transactions;
};
