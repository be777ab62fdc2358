/** Leases in SQL; the server's clock alone says when one ends. */
import * as E from 'fp-ts/lib/Either.js';
import { checkAcquire, checkLease, checkListLeases } from '../../store/lease-checks.js';
import type { AcquireError, Lease, Leases, LeaseSummary } from '../../store/leases.js';
import { ask, lifted, type SqlContext } from './context.js';
import type { Row } from './executor.js';
import { answerOf, text } from './rows.js';

type AcquireAnswer =
  | { readonly outcome: 'acquired'; readonly token: number }
  | { readonly outcome: 'held'; readonly holder: string; readonly expires_in_ms: number };

const summaryOf = (row: Row): LeaseSummary => ({
  name: text(row, 'name'),
  token: Number(text(row, 'token')),
  holder: text(row, 'holder'),
  // One that has ended since it was looked for is about to end.
  expiresInMs: Math.max(1, Number(text(row, 'expires_in_ms'))),
});

export const sqlLeases = (context: SqlContext): Leases => {
  const { statements } = context;
  return {
    // An acquisition whose answer was lost is asked again, and then held by nobody who knows: it ends by itself.
    acquire: (request) =>
      lifted<AcquireError, Lease>(async () => {
        const checked = checkAcquire(request);
        if (E.isLeft(checked)) return checked;
        const { name, holder, ttlMs } = request;
        const rows = await ask(context, statements.leaseAcquire, [name, holder, String(ttlMs)]);
        const answer = answerOf<AcquireAnswer>(rows);
        if (answer.outcome === 'acquired') return E.right({ name, token: answer.token });
        const { holder: other, expires_in_ms: expiresInMs } = answer;
        return E.left({ _tag: 'LeaseHeld', lease: name, holder: other, expiresInMs });
      }),
    renew: (lease, ttlMs) =>
      lifted(async () => {
        const checked = checkLease(lease, ttlMs);
        if (E.isLeft(checked)) return checked;
        const { name, token } = lease;
        const rows = await ask(context, statements.leaseRenew, [name, String(token), String(ttlMs)]);
        return rows.length === 1
          ? E.right(undefined)
          : E.left({ _tag: 'LeaseLost' as const, lease: name, token });
      }),
    release: (lease) =>
      lifted(async () => {
        const checked = checkLease(lease);
        if (E.isLeft(checked)) return checked;
        await ask(context, statements.leaseRelease, [lease.name, String(lease.token)]);
        return E.right(undefined);
      }),
    list: (request) =>
      lifted(async () => {
        const count = checkListLeases(request);
        if (E.isLeft(count)) return count;
        const rows = await ask(context, statements.leaseList, [request.prefix, String(count.right)]);
        return E.right(rows.map(summaryOf));
      }),
  };
};
