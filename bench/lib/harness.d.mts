/** Types of what every bench shares, see harness.mjs. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}
export interface Measured {
  readonly value: number;
  readonly [name: string]: number;
}
export interface Subject {
  readonly name: string;
  readonly run: (turn: { readonly isWarmUp: boolean; readonly round: number }) => Promise<Measured>;
}
export interface Row extends Spread {
  readonly bench: string;
  readonly commit: string;
  readonly case: string;
  readonly subject: string;
  readonly unit: string;
  readonly lessIsBetter: boolean;
  readonly values: ReadonlyArray<number>;
}
export const median: (values: ReadonlyArray<number>) => number;
export const quantile: (values: ReadonlyArray<number>, share: number) => number;
export const spreadOf: (values: ReadonlyArray<number>) => Spread;
export const orderOf: <T>(subjects: ReadonlyArray<T>, round: number) => ReadonlyArray<T>;
export const measureCase: (options: {
  readonly bench: string;
  readonly commit: string;
  readonly name: string;
  readonly unit: string;
  readonly lessIsBetter?: boolean;
  readonly subjects: ReadonlyArray<Subject>;
  readonly rounds: number;
  readonly warmUp?: boolean;
  readonly warmUpMs?: number;
  readonly say: (line: string) => void;
}) => Promise<ReadonlyArray<Row>>;
export const ratioOf: (
  ours: Pick<Row, 'values' | 'lessIsBetter'>,
  theirs: Pick<Row, 'values'>,
) => Spread;
export const drive: (
  limits: { readonly writers: number; readonly ms: number; readonly max?: number },
  work: (writer: number, turn: number) => Promise<unknown>,
) => Promise<{
  readonly perSecond: number;
  readonly done: number;
  readonly failed: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}>;
export const figure: (value: number) => string;
