/** Graphs of edges between numbered nodes: strongly connected components, and shortest ways. */

interface Arrow {
  readonly from: number;
  readonly to: number;
}

export const outOf = <E extends Arrow>(edges: ReadonlyArray<E>): ReadonlyMap<number, ReadonlyArray<E>> => {
  const out = new Map<number, E[]>();
  for (const edge of edges) {
    const own = out.get(edge.from);
    if (own === undefined) out.set(edge.from, [edge]);
    else own.push(edge);
  }
  return out;
};

/** The edges that lie on a cycle: both ends are in one strongly connected component (Tarjan, without recursion). */
export const cyclicEdges = <E extends Arrow>(edges: ReadonlyArray<E>): ReadonlyArray<E> => {
  const out = outOf(edges);
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const component = new Map<number, number>();
  const open: number[] = [];
  const lower = (node: number, to: number): void => {
    low.set(node, Math.min(low.get(node) as number, to));
  };
  const enter = (node: number): readonly [number, { at: number }] => {
    index.set(node, index.size);
    low.set(node, index.get(node) as number);
    open.push(node);
    return [node, { at: 0 }];
  };
  const leave = (node: number): void => {
    if (low.get(node) !== index.get(node)) return;
    for (;;) {
      const member = open.pop() as number;
      component.set(member, node);
      if (member === node) return;
    }
  };
  for (const root of out.keys()) {
    if (index.has(root)) continue;
    const walk = [enter(root)];
    while (walk.length > 0) {
      const [node, progress] = walk.at(-1) as readonly [number, { at: number }];
      const edge = out.get(node)?.[progress.at];
      progress.at += 1;
      if (edge === undefined) {
        walk.pop();
        leave(node);
        const parent = walk.at(-1)?.[0];
        if (parent !== undefined) lower(parent, low.get(node) as number);
      } else if (!index.has(edge.to)) walk.push(enter(edge.to));
      else if (!component.has(edge.to)) lower(node, index.get(edge.to) as number);
    }
  }
  return edges.filter((edge) => component.get(edge.from) === component.get(edge.to));
};

/** The shortest way along the edges; undefined where there is none. */
export const shortestWay = <E extends Arrow>(
  out: ReadonlyMap<number, ReadonlyArray<E>>,
  from: number,
  to: number,
): ReadonlyArray<E> | undefined => {
  const cameBy = new Map<number, E>();
  let ring = [from];
  const trace = (): ReadonlyArray<E> => {
    const way: E[] = [];
    for (let node = to; way.length === 0 || node !== from; ) {
      const edge = cameBy.get(node) as E;
      way.unshift(edge);
      node = edge.from;
    }
    return way;
  };
  while (ring.length > 0) {
    const next: number[] = [];
    for (const node of ring)
      for (const edge of out.get(node) ?? []) {
        if (cameBy.has(edge.to)) continue;
        cameBy.set(edge.to, edge);
        if (edge.to === to) return trace();
        next.push(edge.to);
      }
    ring = next;
  }
  return undefined;
};
