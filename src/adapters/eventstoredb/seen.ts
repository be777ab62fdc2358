/** The places in the global order that a handle has seen: what an answer is compared with. */
import { comparePositions, type Position, startPosition } from '../../core/stream.js';

export interface Seen {
  /** The latest place that anything answered. An append that is answered with an earlier one had been written before. */
  readonly anywhere: () => Position;
  /** Notes a place that an append or a read of a stream has answered. */
  readonly note: (position: Position | undefined) => void;
  /**
   * The latest place that the order itself has shown. Whatever comes before it is in the order already: a server may answer an append
   * with a place that the order does not show yet, while an older transaction is open.
   */
  readonly inOrder: () => Position;
  readonly noteInOrder: (position: Position | undefined) => void;
}

export const later = (a: Position, b: Position | undefined): Position =>
  b === undefined || comparePositions(a, b) >= 0 ? a : b;

export const keepSeen = (): Seen => {
  let anywhere = startPosition;
  let inOrder = startPosition;
  const note = (position: Position | undefined): void => {
    anywhere = later(anywhere, position);
  };
  return {
    anywhere: () => anywhere,
    note,
    inOrder: () => inOrder,
    noteInOrder: (position) => {
      inOrder = later(inOrder, position);
      note(position);
    },
  };
};
