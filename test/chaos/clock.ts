/** A process's wall clock that jumps when it is told to. Preloaded, so that no module has read the real one before. */
const RealDate = globalThis.Date;
let offsetMs = 0;

class JumpingDate extends RealDate {
  constructor(...values: ReadonlyArray<unknown>) {
    // The real one takes no value, one, or many.
    super(...((values.length === 0 ? [JumpingDate.now()] : values) as [number]));
  }
  static override now(): number {
    return RealDate.now() + offsetMs;
  }
}
globalThis.Date = JumpingDate as DateConstructor;

/** From now on the clock differs by so much from the machine's. */
export const jumpTo = (ms: number): void => {
  offsetMs = ms;
};
