/** Types of what the figures are held against, see goals.mjs. */
import type { Row, Spread } from './harness.mjs';

export interface Judged {
  readonly bench: string;
  readonly case: string;
  readonly commit: string;
  /** The goal in words. */
  readonly wanted: string;
  /** What it was compared with. */
  readonly against?: string;
  readonly spread?: Spread;
  /** How many times as good as what it was compared with the same rows by plain `pg` are; undefined where there are none. */
  readonly limit?: Spread | undefined;
  readonly verdict: 'met' | 'missed' | 'not measured';
  /** A share of the goal: 0.1 is a tenth short of it. */
  readonly missedBy?: number;
}
export const judge: (rows: ReadonlyArray<Row>) => ReadonlyArray<Judged>;
export const verdictText: (line: Judged) => string;
export const measuredText: (line: Judged) => string;
