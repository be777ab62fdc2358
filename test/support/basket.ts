/** A small saga for tests: a basket with a counter, a set of items, notices it sends, and a way to complete. */
import * as t from 'io-ts';
import {
  counter,
  map,
  max,
  type Merger,
  orSet,
  orSetAdd,
  orSetElements,
  orSetRemove,
  record,
  saga,
  type SagaMessage,
  threeWay,
} from 'watersmeet';

const basketState = t.type({
  count: t.number,
  items: t.record(t.string, t.readonlyArray(t.string)),
  highest: t.number,
  prices: t.record(t.string, t.number),
});
export type Basket = t.TypeOf<typeof basketState>;

export const emptyBasket: Basket = { count: 0, items: {}, highest: 0, prices: {} };

export const basketMerger: Merger<Basket> = threeWay(
  record<Basket>({ count: counter, items: orSet, highest: max, prices: map(max, 0) }) as never,
);

interface BasketOptions {
  readonly merge?: Merger<Basket>;
  readonly mergerVersion?: string;
  readonly onHook?: (data: unknown, attempt: number) => void;
  readonly compensateTold?: boolean;
}

/** The saga, with the parts that a test wants to be different. */
export const basketSaga = ({
  merge = basketMerger,
  mergerVersion = '1',
  onHook = () => undefined,
  compensateTold = false,
}: BasketOptions = {}) =>
  saga({
    name: 'basket',
    messages: {
      Add: t.type({ by: t.number }),
      AddAndTakeBack: t.type({ by: t.number }),
      Put: t.type({ item: t.string }),
      Take: t.type({ item: t.string }),
      Tell: t.type({ text: t.string, once: t.boolean }),
      Nothing: t.type({}),
      Finish: t.type({}),
      Break: t.type({}),
    },
    sends: {
      Notice: t.type({ text: t.string }),
      Closed: t.type({ count: t.number }),
      Undo: t.type({ text: t.string }),
    },
    events: {
      Added: t.type({ by: t.number }),
      Put: t.type({ item: t.string, tag: t.string }),
      Taken: t.type({ item: t.string }),
      Told: t.type({ text: t.string }),
    },
    state: basketState,
    initialState: emptyBasket,
    evolve: {
      Added: (state, { by }) => ({ ...state, count: state.count + by, highest: Math.max(state.highest, by) }),
      Put: (state, { item, tag }) => ({ ...state, items: orSetAdd(state.items, item, tag) }),
      Taken: (state, { item }) => ({ ...state, items: orSetRemove(state.items, item) }),
      Told: (state) => state,
    },
    react: {
      Add: (_state, data) => ({ events: [{ type: 'Added', data }] }),
      AddAndTakeBack: (_state, { by }) => ({
        events: [
          { type: 'Added', data: { by } },
          { type: 'Added', data: { by: -by } },
        ],
      }),
      Put: (_state, { item }, { messageId }) => ({
        events: [{ type: 'Put', data: { item, tag: messageId } }],
      }),
      Take: (_state, { item }) => ({ events: [{ type: 'Taken', data: { item } }] }),
      Tell: (_state, { text, once }) => ({
        events: [{ type: 'Told', data: { text } }],
        send: [{ type: 'Notice', data: { text }, ...(once && { key: 'notice' }) }],
      }),
      Nothing: () => ({}),
      Finish: (state) => ({
        send: [{ type: 'Closed', data: { count: state.count }, key: 'closed' }],
        complete: true,
      }),
      Break: () => {
        throw new Error('the handler broke');
      },
    },
    commuting: { Told: ['Added'] },
    onConflict: 'merge',
    merge,
    mergerVersion,
    compensate: ({ conflict, released }) =>
      compensateTold
        ? released
            .filter(({ type }) => type === 'Notice')
            .map(({ id, data }) => ({
              hook: 'undo',
              of: id,
              data: { text: (data as { text: string }).text, branches: conflict.branches.length },
            }))
        : [],
    hooks: {
      undo: (data: { text: string }, { attempt }) => {
        onHook(data, attempt);
        return { send: [{ type: 'Undo', data: { text: data.text } }] };
      },
    },
  });

let serial = 0;

/** A message for the basket `sagaId`, with an id of its own unless one is given. */
export const message = (
  type: string,
  data: object = {},
  id = `m${(serial += 1)}`,
  sagaId = 'b',
): SagaMessage<never> => ({ id, sagaId, type, data }) as unknown as SagaMessage<never>;

export const itemsOf = (state: Basket): ReadonlyArray<string> => orSetElements(state.items);
