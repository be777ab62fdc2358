/** Appends of the memory store: what stands in the way, and what is written in the same step as the events. */
import * as E from 'fp-ts/lib/Either.js';
import type {
  AppendError,
  AppendManyError,
  AppendRequest,
  AppendResult,
  StoreLimits,
} from '../../store/event-store.js';
import { checkAppend, checkAppendMany, type CheckedAppend } from '../../store/limits.js';
import { judgeCondition } from './conditions.js';
import type { MemoryIdempotency } from './idempotency.js';
import type { keepLeases } from './leases.js';
import type { MemoryQueue } from './queue.js';
import type { StreamTable } from './stream-table.js';

export interface AppendingParts {
  readonly table: StreamTable;
  readonly epoch: string;
  readonly limits: StoreLimits;
  readonly leases: Pick<ReturnType<typeof keepLeases>, 'judge'>;
  readonly operations: Pick<MemoryIdempotency, 'judge' | 'write'>;
  readonly messages: Pick<MemoryQueue, 'add'>;
}

const isError = (answer: AppendError | AppendResult): answer is AppendError => '_tag' in answer;

export const appending = ({ table, epoch, limits, leases, operations, messages }: AppendingParts) => {
  /** What was written is recognised when it is repeated, even where its lease is lost since, or its condition no longer holds. */
  const judge: StreamTable['judge'] = (append) => {
    const judged = table.judge(append);
    const isRepeat = judged !== undefined && !isError(judged) && judged.idempotent;
    if (isRepeat) return judged;
    return (
      operations.judge(append) ??
      leases.judge(append.fence) ??
      judgeCondition(table, epoch, append.condition) ??
      judged
    );
  };
  /** Writes what was judged good. Of a repeat only the end of its operation, which may have been begun again since. */
  const write = (append: CheckedAppend, repeat: AppendResult | undefined): AppendResult => {
    operations.write(append);
    if (repeat !== undefined) return repeat;
    messages.add(append.enqueue);
    return table.write(append);
  };
  const appendAll = (
    appends: ReadonlyArray<CheckedAppend>,
  ): E.Either<AppendError, ReadonlyArray<AppendResult>> => {
    const answers: Array<() => AppendResult> = [];
    for (const append of appends) {
      const judged = judge(append);
      if (judged !== undefined && isError(judged)) return E.left(judged);
      answers.push(() => write(append, judged));
    }
    return E.right(answers.map((answer) => answer()));
  };
  return {
    append: (request: AppendRequest): E.Either<AppendError, AppendResult> => {
      const checked = checkAppend(request, limits);
      if (E.isLeft(checked)) return checked;
      const judged = judge(checked.right);
      return judged !== undefined && isError(judged) ? E.left(judged) : E.right(write(checked.right, judged));
    },
    appendMany: (
      requests: ReadonlyArray<AppendRequest>,
    ): E.Either<AppendManyError, ReadonlyArray<AppendResult>> => {
      const checked = checkAppendMany(requests, limits);
      return E.isLeft(checked) ? checked : appendAll(checked.right);
    },
  };
};
