/** A small saga for tests of timeouts: it asks for them and cancels them as it is told, and counts what it is given. */
import * as t from 'io-ts';
import { counter, map, max, newId, record, saga, type SagaMessage } from 'watersmeet';

const wish = t.intersection([
  t.type({ text: t.string, afterMs: t.number }),
  t.partial({ key: t.string, quiet: t.boolean }),
]);

export const deadlineSaga = (
  options: {
    readonly askAfterMerge?: string;
    readonly cancelAfterMerge?: string;
    readonly breaks?: (text: string) => boolean;
  } = {},
) =>
  saga({
    name: 'deadline',
    messages: {
      Ask: wish,
      Cancel: t.type({ key: t.string }),
      Add: t.type({ by: t.number }),
      Due: t.type({ text: t.string }),
      Quiet: t.type({ text: t.string }),
      Finish: t.type({}),
    },
    sends: { Told: t.type({ text: t.string }) },
    events: { Added: t.type({ by: t.number }), WasDue: t.type({ text: t.string, times: t.number }) },
    state: t.type({ count: t.number, due: t.record(t.string, t.number) }),
    initialState: { count: 0, due: {} },
    evolve: {
      Added: (state, { by }) => ({ ...state, count: state.count + by }),
      WasDue: (state, { text, times }) => ({ ...state, due: { ...state.due, [text]: times } }),
    },
    react: {
      // With an event, so that two of them at once are a conflict.
      Ask: (_state, { text, afterMs, key, quiet }) => ({
        events: [{ type: 'Added', data: { by: 1 } }],
        timeouts: [
          {
            type: quiet === true ? 'Quiet' : 'Due',
            data: { text },
            afterMs,
            ...(key !== undefined && { key }),
          },
        ],
      }),
      Cancel: (_state, { key }) => ({
        events: [{ type: 'Added', data: { by: 10 } }],
        cancelTimeouts: [key],
      }),
      Add: (_state, data) => ({ events: [{ type: 'Added', data }] }),
      Due: (state, { text }) => {
        if (options.breaks?.(text) === true) throw new Error('the handler broke');
        return {
          events: [{ type: 'WasDue', data: { text, times: (state.due[text] ?? 0) + 1 } }],
          send: [{ type: 'Told', data: { text } }],
        };
      },
      Quiet: () => ({}),
      Finish: () => ({ complete: true }),
    },
    onConflict: 'merge',
    merge: { threeWay: record({ count: counter, due: map(max, 0) }) },
    onMerged: ({ conflict }) => ({
      complete: conflict.branches.some(({ completes }) => completes),
      ...(options.askAfterMerge !== undefined && {
        timeouts: [
          { type: 'Due', data: { text: 'after the merge' }, afterMs: 0, key: options.askAfterMerge } as const,
        ],
      }),
      ...(options.cancelAfterMerge !== undefined && { cancelTimeouts: [options.cancelAfterMerge] }),
    }),
  });

/** A message for one deadline saga. */
export const toDeadline =
  (sagaId: string) =>
  (type: string, data: object = {}, id: string = newId()): SagaMessage<never> =>
    ({ id, sagaId, type, data }) as unknown as SagaMessage<never>;
