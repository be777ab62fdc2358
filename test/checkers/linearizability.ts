/**
 * Decides whether a history of overlapping operations could have happened one at a time, each at a moment between its
 * call and its answer (Wing and Gong's search, with Lowe's memory of what was tried, one key at a time).
 */

export interface Operation<I, O> {
  readonly input: I;
  /** What it was answered. `undefined` where nobody knows: it may take effect at any time after its call, or never. */
  readonly output: O | undefined;
  /** Any clock that all operations share; calls and answers at one moment overlap. */
  readonly calledAt: number;
  /** Not looked at where the output is unknown. */
  readonly returnedAt: number;
}

/** The thing as it would be if it did one operation at a time. States must not be `undefined`. */
export interface Model<S, I, O> {
  readonly init: S;
  /** The state after the operation; `undefined` where it cannot be answered like this. An unknown output is always possible. */
  readonly step: (state: S, input: I, output: O | undefined) => S | undefined;
  /** States with equal keys are the same. */
  readonly keyOf: (state: S) => string;
}

export type Verdict<S, I, O> =
  | { readonly _tag: 'linearizable'; readonly order: ReadonlyArray<Operation<I, O>> }
  | {
      readonly _tag: 'notLinearizable';
      /** The longest order that was found before it could not go on, and the state it leads to. */
      readonly order: ReadonlyArray<Operation<I, O>>;
      readonly state: S;
      readonly stateKey: string;
      /** One of these had to come next, and none can. */
      readonly stuck: ReadonlyArray<Operation<I, O>>;
    }
  /** More than `stepsMax` steps were needed. */
  | { readonly _tag: 'undecided' };

const isKnown = (operation: { readonly output: unknown }): boolean => operation.output !== undefined;

/** Calls (node i) and answers (node n + i) in the order of time, as a list that nodes are taken out of and put back into. */
class Timeline {
  readonly head: number;
  private readonly next: Int32Array;
  private readonly previous: Int32Array;

  constructor(private readonly operations: ReadonlyArray<Operation<unknown, unknown>>) {
    const n = operations.length;
    this.head = 2 * n;
    this.next = new Int32Array(2 * n + 1).fill(this.head);
    this.previous = new Int32Array(2 * n + 1).fill(this.head);
    const timeOf = (node: number): number => {
      const operation = operations[node % n] as Operation<unknown, unknown>;
      return node < n ? operation.calledAt : operation.returnedAt;
    };
    const nodes = operations.flatMap((operation, index) =>
      isKnown(operation) ? [index, n + index] : [index],
    );
    // At one moment calls come first: then the operations overlap.
    nodes.sort((a, b) => timeOf(a) - timeOf(b) || Number(a >= n) - Number(b >= n) || a - b);
    let last = this.head;
    for (const node of nodes) {
      this.link(last, node);
      last = node;
    }
    this.link(last, this.head);
  }

  after(node: number): number {
    return this.next[node] as number;
  }

  take(operation: number): void {
    this.unlink(operation);
    if (this.hasAnswer(operation)) this.unlink(this.operations.length + operation);
  }

  /** In the reverse order of `take`, for only then a node's neighbours are those it had. */
  putBack(operation: number): void {
    if (this.hasAnswer(operation)) this.relink(this.operations.length + operation);
    this.relink(operation);
  }

  private hasAnswer(operation: number): boolean {
    return isKnown(this.operations[operation] as Operation<unknown, unknown>);
  }

  private link(a: number, b: number): void {
    this.next[a] = b;
    this.previous[b] = a;
  }

  private unlink(node: number): void {
    this.link(this.previous[node] as number, this.next[node] as number);
  }

  private relink(node: number): void {
    const [before, after] = [this.previous[node] as number, this.next[node] as number];
    this.next[before] = node;
    this.previous[after] = node;
  }
}

/** Which operations have been placed, as text that can be remembered. */
class Placed {
  private readonly words: Uint16Array;

  constructor(count: number) {
    this.words = new Uint16Array(Math.ceil(count / 16));
  }

  flip(operation: number): void {
    this.words[operation >> 4] = (this.words[operation >> 4] as number) ^ (1 << (operation & 15));
  }

  key(): string {
    return String.fromCharCode(...this.words);
  }
}

export const checkLinearizability = <S, I, O>(
  model: Model<S, I, O>,
  operations: ReadonlyArray<Operation<I, O>>,
  stepsMax = 20_000_000,
): Verdict<S, I, O> => {
  const count = operations.length;
  const timeline = new Timeline(operations);
  const placed = new Placed(count);
  const tried = new Set<string>();
  const stack: Array<{ readonly node: number; readonly before: S }> = [];
  let best: { readonly nodes: ReadonlyArray<number>; readonly state: S } = { nodes: [], state: model.init };
  let state = model.init;
  let open = operations.filter(isKnown).length;
  let node = timeline.after(timeline.head);
  const at = (index: number): Operation<I, O> => operations[index] as Operation<I, O>;

  /** Goes on with the operation as the next one, unless it cannot be, or that was tried before. */
  const place = (): boolean => {
    const operation = at(node);
    const after = model.step(state, operation.input, operation.output);
    if (after === undefined) return false;
    // To place what nobody was told of and what changes nothing decides nothing.
    if (!isKnown(operation) && model.keyOf(after) === model.keyOf(state)) return false;
    placed.flip(node);
    const key = `${placed.key()}|${model.keyOf(after)}`;
    if (tried.has(key)) {
      placed.flip(node);
      return false;
    }
    tried.add(key);
    stack.push({ node, before: state });
    state = after;
    timeline.take(node);
    if (isKnown(operation)) open -= 1;
    if (stack.length > best.nodes.length) best = { nodes: stack.map((step) => step.node), state };
    return true;
  };

  for (let steps = 0; open > 0; steps += 1) {
    if (steps > stepsMax) return { _tag: 'undecided' };
    if (node < count) {
      node = place() ? timeline.after(timeline.head) : timeline.after(node);
      continue;
    }
    // An answer: its operation should have been placed before it.
    const last = stack.pop();
    if (last === undefined) return notLinearizable(operations, best, model.keyOf(best.state));
    state = last.before;
    placed.flip(last.node);
    timeline.putBack(last.node);
    if (isKnown(at(last.node))) open += 1;
    node = timeline.after(last.node);
  }
  return { _tag: 'linearizable', order: stack.map((step) => at(step.node)) };
};

const notLinearizable = <S, I, O>(
  operations: ReadonlyArray<Operation<I, O>>,
  best: { readonly nodes: ReadonlyArray<number>; readonly state: S },
  stateKey: string,
): Verdict<S, I, O> => {
  const placed = new Set(best.nodes);
  const rest = operations.filter((operation, index) => isKnown(operation) && !placed.has(index));
  const firstAnswer = Math.min(...rest.map((operation) => operation.returnedAt));
  return {
    _tag: 'notLinearizable',
    order: best.nodes.map((node) => operations[node] as Operation<I, O>),
    state: best.state,
    stateKey,
    stuck: rest.filter((operation) => operation.calledAt <= firstAnswer),
  };
};

/** Operations on different keys do not touch each other, so each key is decided alone. */
export const byKey = <I, O>(
  operations: ReadonlyArray<Operation<I, O>>,
  keyOf: (input: I) => string,
): ReadonlyMap<string, ReadonlyArray<Operation<I, O>>> => {
  const keys = new Map<string, Array<Operation<I, O>>>();
  for (const operation of operations) {
    const key = keyOf(operation.input);
    const own = keys.get(key);
    if (own === undefined) keys.set(key, [operation]);
    else own.push(operation);
  }
  return keys;
};

/** A verdict in words; empty where the history is linearizable. */
export const explainVerdict = <S, I, O>(verdict: Verdict<S, I, O>): string => {
  if (verdict._tag === 'linearizable') return '';
  if (verdict._tag === 'undecided') return 'undecided: the search was ended';
  const { stateKey } = verdict;
  const stuck = verdict.stuck.map(
    ({ input, output, calledAt, returnedAt }) =>
      `  ${JSON.stringify(input)} answered ${JSON.stringify(output)}, called at ${calledAt}, answered at ${returnedAt}`,
  );
  return [
    `not linearizable: after ${verdict.order.length} operations the state is ${stateKey.length > 200 ? `.. ${stateKey.slice(-200)}` : stateKey}, and none of these can come next:`,
    ...stuck,
  ].join('\n');
};
