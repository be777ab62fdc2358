/** Leases in SQL; the server's clock alone says when one ends. */
import * as E from 'fp-ts/lib/Either.js';
import { checkAcquire, checkLease, checkListLeases } from '../../store/lease-checks.js';
import type {
  AcquiredLease,
  AcquireError,
  Leases,
  LeaseSummary,
  RecoveredLease,
} from '../../store/leases.js';
import { changeAgain } from './change.js';
import { ask, lifted, type SqlContext } from './context.js';
import type { Row } from './executor.js';
import { answerOf, text } from './rows.js';

type AcquireAnswer =
  | {
      readonly outcome: 'acquired';
      readonly token: number;
      readonly recovered?: ReadonlyArray<RecoveredLease>;
    }
  | {
      readonly outcome: 'held';
      /** Absent where only the lease that was asked for can be in the way. */
      readonly name?: string;
      readonly holder: string;
      readonly expires_in_ms: number;
    };

const acquiredOf = (name: string, answer: AcquireAnswer): E.Either<AcquireError, AcquiredLease> => {
  if (answer.outcome === 'held') {
    const { name: lease = name, holder, expires_in_ms: expiresInMs } = answer;
    return E.left({ _tag: 'LeaseHeld', lease, holder, expiresInMs });
  }
  const { token, recovered = [] } = answer;
  return E.right({ name, token, ...(recovered.length > 0 && { recovered }) });
};

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
      lifted(async () => {
        const name = checkAcquire(request);
        if (E.isLeft(name)) return name;
        const { scope, holder, ttlMs } = request;
        const statement = scope === undefined ? statements.leaseAcquire : statements.leaseAcquireScope;
        const rows = await changeAgain(context, statement, [name.right, holder, String(ttlMs)]);
        return acquiredOf(name.right, answerOf<AcquireAnswer>(rows));
      }),
    renew: (lease, ttlMs) =>
      lifted(async () => {
        const checked = checkLease(lease, ttlMs);
        if (E.isLeft(checked)) return checked;
        const { name, token } = lease;
        const rows = await changeAgain(context, statements.leaseRenew, [name, String(token), String(ttlMs)]);
        return rows.length === 1
          ? E.right(undefined)
          : E.left({ _tag: 'LeaseLost' as const, lease: name, token });
      }),
    release: (lease) =>
      lifted(async () => {
        const checked = checkLease(lease);
        if (E.isLeft(checked)) return checked;
        await changeAgain(context, statements.leaseRelease, [lease.name, String(lease.token)]);
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
