/** A memory of operations that is observed: how each stands, and never whose or what. */
import { describe, expect, it } from '@jest/globals';
import { memoryStore } from 'watersmeet';
import { observed } from 'watersmeet/opentelemetry';
import { right } from '../support/handling.js';
import { recording } from './recording.js';

const asked = {
  ...{ scope: 'redeem of Ada', key: 'order of Ada', requestHash: 'one of Ada', holder: 'host of Ada' },
  ...{ pendingMs: 60_000, keepMs: 60_000 },
};

describe('a memory of operations that is observed', () => {
  it('tells of each step what came of it, without keys, hashes and results', async () => {
    const told = recording();
    const { idempotency } = observed(memoryStore(), { ...told.options, streamNames: true });
    const begun = await right(idempotency.begin(asked));
    const held = { ...asked, token: begun._tag === 'Acquired' ? begun.token : 0 };
    await right(idempotency.begin(asked));
    await right(idempotency.renew(held, 1_000));
    await right(idempotency.complete({ ...held, result: 'secret of Ada' }));
    await right(idempotency.begin(asked));
    await idempotency.begin({ ...asked, requestHash: 'two of Ada' })();
    await idempotency.fail({ ...held, error: 'it broke on Ada' })();
    await right(idempotency.forget(asked));
    await right(idempotency.cleanUp());
    const rows = told
      .spans()
      .map(({ name, attributes }) => [
        name,
        attributes['watersmeet.outcome'] ?? attributes['error.type'],
        attributes['watersmeet.attempt'],
      ]);
    expect(rows).toEqual([
      ['beginOperation', 'Acquired', 1],
      ['beginOperation', 'InProgress', undefined],
      ['renewOperation', undefined, undefined],
      ['completeOperation', undefined, undefined],
      ['beginOperation', 'Completed', undefined],
      ['beginOperation', 'KeyReused', undefined],
      ['failOperation', 'IdempotencyLost', undefined],
      ['forgetOperation', undefined, undefined],
      ['cleanUpOperations', undefined, undefined],
    ]);
    expect(JSON.stringify(told.spans().map(({ attributes, status }) => [attributes, status]))).not.toContain(
      'Ada',
    );
  });
});
