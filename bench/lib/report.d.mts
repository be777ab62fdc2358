/** Types of the pages that are made of results, see report.mjs. */
import type { Row } from './harness.mjs';

export interface Results {
  /** Day of the run, as 2026-01-31. */
  readonly date: string;
  readonly machine: {
    readonly cores: number;
    readonly cpu: string;
    readonly memoryGb: number;
    readonly node: string;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** What has to be known of how the others are measured. */
  readonly notes: ReadonlyArray<string>;
  readonly conditions: {
    readonly rounds: number;
    readonly ms: number;
    readonly warmUpMs: number;
    readonly isQuick: boolean;
    readonly isLong: boolean;
    readonly poolMax: number;
    readonly commits: Readonly<Record<string, string>>;
    readonly noSlowCommits?: string;
  };
  readonly benches: ReadonlyArray<{
    readonly name: string;
    readonly title: string;
    readonly about: string;
    readonly date: string;
    readonly rounds: number;
    readonly ms: number;
  }>;
  readonly rows: ReadonlyArray<Row>;
}
export const readResults: (folder: string) => Results;
/** Later results of some benches in the place of the earlier ones. */
export const merged: (kept: Results, later: Results) => Results;
export const pagesOf: (results: Results) => { readonly markdown: string; readonly html: string };
export const writeReport: (folder: string, results: Results) => void;
