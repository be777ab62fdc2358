/** Bugs that the chaos tests must find. */
export interface ChaosMutant {
  readonly name: string;
  /** The kind of fault that finds it. */
  readonly by: string;
  readonly what: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}
export const mutants: ReadonlyArray<ChaosMutant>;
